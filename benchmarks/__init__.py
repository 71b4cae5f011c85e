"""evcodec measured, alone and beside its peers: docs/benchmarks.md."""

import os

# All work on one thread, unless a benchmark is about threads; libraries look at these when they are imported.
for _name in (
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
    "OMP_NUM_THREADS",
    "BLOSC_NTHREADS",
    "ARROW_IO_THREADS",
):
    os.environ.setdefault(_name, "1")
