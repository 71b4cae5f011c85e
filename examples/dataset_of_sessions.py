# %% [markdown]
# Many recordings as one dataset: python examples/dataset_of_sessions.py
#
# Makes 40 sessions of four people, plans them once into a catalogue, and asks what a training job would ask.

# %%
import tempfile
import time
from pathlib import Path

import numpy as np

import evcodec
from evcodec import EventKind, Writer
from evcodec.sample import sample_session

folder = Path(tempfile.mkdtemp(prefix="sessions-"))
midnight = 1_788_134_400 * 10**9  # 2026-08-31, UTC

# %% Sessions of four people on ten days. Two of the people agreed to training, the others to support only.
for number in range(40):
    user, day = ("ada", "bob", "eve", "kim")[number % 4], number // 4 + 1
    path = folder / f"user={user}" / f"date=2026-09-{day:02}" / "session.evc"
    path.parent.mkdir(parents=True)
    purpose = "training" if user in ("ada", "kim") else "support"
    governance = {"purpose": purpose, "retain_until_ns": midnight + (day + 90) * 86_400 * 10**9}
    with Writer(path, metadata={"task": f"task {number % 3}"}, governance=governance) as writer:
        writer.anchor(0, midnight + day * 86_400 * 10**9 + 9 * 3_600 * 10**9)
        writer.write(sample_session(5_000, seed=number))

# %% The ends of all files are read once. With a catalogue (it needs pyarrow) that is kept for the next time.
try:
    import pyarrow  # noqa: F401 - is it there?

    catalogue = folder / "catalogue.parquet"
except ImportError:
    catalogue = None
for attempt in ("first", "again"):
    begun = time.perf_counter()
    sessions = evcodec.open_dataset(folder, catalogue=catalogue, clock="wall")
    print(
        f"planned {attempt}: {len(sessions.files)} files, {len(sessions)} events, {time.perf_counter() - begun:.3f} s"
    )
print("kinds:", {EventKind(kind).name.lower(): count for kind, count in sessions.kinds.items()})

# %% Who agreed to training, and may still be kept on a day in December?
on_that_day = midnight + 95 * 86_400 * 10**9
agreed = sessions.filter(
    where=lambda file: file.purpose == "training" and (file.retain_until_ns or 0) > on_that_day
)
print(
    f"for training, still kept: {len(agreed.files)} files of {sorted({f.partitions['user'] for f in agreed.files})}"
)

# %% Clicks of the first minute after nine, on one day; blocks of other times and files of other days stay closed.
nine = midnight + 6 * 86_400 * 10**9 + 9 * 3_600 * 10**9
for file, clicks in agreed.located(
    columns=("t", "x", "y"), kinds=(EventKind.BUTTON_DOWN,), start=nine, stop=nine + 60 * 10**9
):
    print(f"{file.partitions['user']}: {len(clicks)} clicks, the first at ({clicks.x[0]}, {clicks.y[0]})")

# %% How far did the pointer travel? The work in pieces, as a cluster would divide it.
splits = agreed.splits(max_bytes=4_000)
distance = 0.0
for split in splits:
    for batch in agreed.read_split(split, columns=("x", "y"), kinds=(EventKind.MOVE,)):
        steps = np.diff(batch.x.astype(np.int64)) ** 2 + np.diff(batch.y.astype(np.int64)) ** 2
        distance += float(np.sqrt(steps).sum())
print(f"{len(splits)} pieces of work; the pointer travelled {distance / 1e6:.2f} million pixels")

# %% A damaged file among them is left out and reported, when asked.
victim = Path(agreed.files[0].path)
victim.write_bytes(b"not a stream")
sound = evcodec.open_dataset(folder, on_error="skip")
for problem in sound.problems:
    print(f"left out: {Path(problem.path).relative_to(folder)}")
print(f"{len(sound.files)} of 40 files are sound")
