"""All tries of a run: which, how many, and what they came to, as plain rows."""

from __future__ import annotations

import datetime
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.recordings import SAMPLE, load
from benchmarks.reliability.faults import KINDS, faults
from benchmarks.reliability.formats import FORMATS, Format
from benchmarks.reliability.kills import RATE_HZ, judged, kill
from benchmarks.reliability.trial import Prober
from evcodec import EventBatch
from evcodec.sample import sample_session

Say = Callable[[str], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Amount:
    """How much is tried. A slow format gets fewer tries, a count of its own for each kind of fault."""

    events: int
    tries: dict[str, int]
    slow_tries: dict[str, int]
    kills: int
    kill_span_s: tuple[float, float]
    writers: int = 4

    def of(self, form: Format) -> dict[str, int]:
        """Return the number of tries of each kind."""
        return self.slow_tries if form.slow else self.tries


def _counts(flips: int, others: int) -> dict[str, int]:
    return {kind: flips if kind == "flip" else others for kind in KINDS}


AMOUNTS = {
    "tiny": Amount(512, _counts(8, 3), _counts(8, 3), 1, (0.3, 0.5)),
    "quick": Amount(4096, _counts(100, 20), _counts(40, 10), 2, (0.5, 1.5)),
    "full": Amount(16_384, _counts(1000, 200), _counts(200, 50), 20, (0.5, 3.5)),
}


def machine(names: Sequence[str], amount: Amount, seed: str) -> dict[str, str]:
    """Return what the figures were measured on and with; no name of a host."""
    found = {
        "system": f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        # Late flushes of a busy machine are part of what kills show.
        "load average": f"{os.getloadavg()[2]:.0f} processes that want a core",
        "seed": seed,
        "events of a file": f"{amount.events:,}",
    }
    for name in names:
        form = FORMATS[name]
        if form.version != "":
            found[form.package] = form.version or "not installed, so not compared"
    return found


def measure(names: Sequence[str], amount: Amount, seed: str, say: Say) -> dict[str, Any]:
    """Return the rows of all tries; formats whose package is not installed are left out, and the machine table says so."""
    here = [name for name in names if FORMATS[name].is_here]
    # Those that take long come first, so that the last ones to finish are short.
    order = sorted(here, key=lambda name: not FORMATS[name].slow)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        damaged = dict(
            zip(order, pool.map(lambda name: _damage(name, amount, seed, say), order), strict=True)
        )
    sizes = {name: damaged[name][0] for name in here if damaged[name][0] is not None}
    # Writers need little of a processor, so they run when nothing else does: a late flush would be the machine's.
    with ThreadPoolExecutor(max_workers=amount.writers) as pool:
        killed = {name: _kills(name, amount, seed, pool) for name in here if FORMATS[name].live}
        kills = []
        for name, rows in killed.items():
            kills += list(rows)
            say(f"{name}: {amount.kills} kills")
    return {
        "machine": machine(names, amount, seed),
        "events": amount.events,
        "sizes": sizes,
        "damage": [row for name in here for row in damaged[name][1]],
        "kills": kills,
    }


def _damage(name: str, amount: Amount, seed: str, say: Say) -> tuple[float | None, list[Row]]:
    """Return bytes an event of the sound file, and a row for each fault."""
    form = FORMATS[name]
    if form.write is None:
        return None, []
    batch = load(SAMPLE, amount.events)
    rows = []
    with tempfile.TemporaryDirectory(prefix="evcodec-reliability-") as folder:
        path = Path(folder, "whole")
        form.write(batch, path)
        data = path.read_bytes()
        with Prober(name, batch, data, Path(folder)) as prober:
            whole = prober.ask((str(path), len(batch)))
            if whole.outcome != "harmless":
                raise RuntimeError(f"{name}: the sound file does not read back as it was written: {whole}")
            for kind, count in amount.of(form).items():
                for fault in faults(kind, data, count, f"{seed} {name}"):
                    verdict = prober.ask(fault)
                    rows.append({"format": name, "fault": kind, "at": fault.at, **asdict(verdict)})
                say(f"{name}: {kind}, {count} tries")
    return len(data) / len(batch), rows


def _kills(name: str, amount: Amount, seed: str, pool: ThreadPoolExecutor) -> Iterator[Row]:
    """Start killing, and yield a row for each kill. All formats' writers die at the same moments of their lives."""
    # Longer than the longest life of a writer, with slack.
    events = int(1000 * (amount.kill_span_s[1] + 10))
    folder = tempfile.TemporaryDirectory(prefix="evcodec-reliability-")
    left = pool.map(
        lambda turn: kill(name, events, Path(folder.name), f"{seed}-{turn}", amount.kill_span_s),
        range(amount.kills),
    )
    return _judged(name, sample_session(events, rate_hz=RATE_HZ), folder, left)


def _judged(
    name: str, batch: EventBatch, folder: tempfile.TemporaryDirectory[str], left: Iterator[tuple[Path, int]]
) -> Iterator[Row]:
    with folder, Prober(name, batch, b"", Path(folder.name)) as prober:
        for path, count in left:
            one = judged(prober, path, count)
            yield {"format": name, **asdict(one), "lost": one.lost}
