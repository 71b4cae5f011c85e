"""A real S3 server on this machine, which counts what it is asked for and what it sends."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

DENIED = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


class Request(NamedTuple):
    method: str
    path: str
    range: str
    status: int
    sent: int


class Counting:
    """A WSGI application that writes down the requests that another one answers."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.denied: set[str] = set()
        self.under_way = 0
        self.most_under_way = 0

    def settled(self) -> list[Request]:
        """Return all requests so far, when the server has ended them: a client has its answer a little earlier."""
        while self.under_way:
            time.sleep(0.001)
        return list(self.requests)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        status = [0]

        def start(text: str, *rest: Any) -> Any:
            status[0] = int(text.split()[0])
            return start_response(text, *rest)

        sent = 0
        try:
            if path in self.denied:
                size = ("Content-Length", str(len(DENIED)))
                start("403 Forbidden", [("Content-Type", "application/xml"), size])
                answer: Iterable[bytes] = [b"" if method == "HEAD" else DENIED]
            else:
                answer = self._app(environ, start)
            for piece in answer:
                sent += len(piece)
                yield piece
        finally:
            found = Request(method, path, environ.get("HTTP_RANGE", ""), status[0], sent)
            with self._lock:
                self.requests.append(found)
                self.under_way -= 1


class ObjectStore:
    """Bucket ``streams`` of a server."""

    def __init__(self, counting: Counting, url: str) -> None:
        self.options = {
            "key": "made-up",
            "secret": "made-up",
            "client_kwargs": {"endpoint_url": url},
        }
        self.counting = counting
        import s3fs

        self.files = s3fs.S3FileSystem(**self.options)
        self.files.mkdir("streams")

    def put(self, name: str, data: bytes) -> str:
        self.files.pipe_file(f"streams/{name}", data)
        return f"s3://streams/{name}"

    @contextmanager
    def counted(self) -> Iterator[list[Request]]:
        """Give the requests of a block; complete when it has ended."""
        before = len(self.counting.settled())
        self.counting.most_under_way = 0
        found: list[Request] = []
        yield found
        found += self.counting.settled()[before:]


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.server import MotoRequestHandler
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    counting = Counting(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        # What moto keeps is the process's, and another server of it may have left something there.
        with urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")):
            yield ObjectStore(counting, url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ranged(requests: Iterable[Request]) -> list[Request]:
    """Return the requests for contents."""
    return [request for request in requests if request.range]


def sent(requests: Iterable[Request]) -> int:
    """Return the bytes of contents that were sent."""
    return sum(
        request.sent for request in requests if request.method == "GET" and "list-type" not in request.path
    )
