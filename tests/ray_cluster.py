"""A real Ray cluster of several nodes on this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Read when Ray is imported: nothing is sent anywhere, nothing is written to the home folder, and the machine's memory,
# which other tests use too, is no reason to kill workers.
os.environ |= {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}

STORE_BYTES = 80 * 2**20  # near the least that Ray takes
# A node that is gone is noticed within a second or two.
NOTICING = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 4,
}


class Nodes:
    """A cluster: a head without processors, and nodes with one each."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        # Sockets stand in it, whose paths must be short.
        self._folder = tempfile.mkdtemp(prefix="evcray")
        self._each: dict[str, Any] = {"object_store_memory": STORE_BYTES}
        if shutil.disk_usage("/dev/shm").free < 2 * (count + 2) * STORE_BYTES:
            self._each["plasma_directory"] = self._folder
        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "temp_dir": self._folder,
            "_system_config": NOTICING,
        }
        self.cluster = Cluster(initialize_head=True, head_node_args={**head, **self._each})
        self.nodes = [self.cluster.add_node(num_cpus=1, **self._each) for _ in range(count)]

    def take_one_away(self) -> None:
        """Kill all processes of a node, as if its power went."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def close(self) -> None:
        self.cluster.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def running(count: int) -> Iterator[Nodes]:
    """Connect to a new cluster; at the end nothing of it is left."""
    import ray
    import ray.data

    nodes = Nodes(count)
    try:
        ray.init(
            address=nodes.cluster.address, log_to_driver=False, logging_level="error", configure_logging=False
        )
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        yield nodes
    finally:
        ray.shutdown()
        nodes.close()
