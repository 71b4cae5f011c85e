"""A session in pandas: how long buttons are held, where the hand is, and back to a file.

Run it with ``python examples/pandas_sessions.py``; it needs ``pip install pandas pyarrow``.
"""

# %% A made-up session of some minutes, and what the recorder said of it
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa

from evcodec import EventBatch, EventKind, Reader, Writer
from evcodec.sample import sample_session

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "session.evc"
with Writer(path, metadata={"task": "expenses"}) as writer:
    writer.anchor(0, 1_790_000_000_000_000_000)  # the time of day when the session clock showed 0
    writer.write(sample_session(100_000, seed=5))


# %% A Reader is an Arrow stream: times of day, and names of kinds as categories
def frame_of(stream: object) -> pd.DataFrame:
    """Return a stream as a data frame; pandas before version 3 lets pyarrow do it."""
    return (
        pd.DataFrame.from_arrow(stream)
        if hasattr(pd.DataFrame, "from_arrow")
        else pa.table(stream).to_pandas()
    )


with Reader(path) as reader:
    events = frame_of(reader.arrow(timestamps=True))
    buttons = frame_of(
        reader.arrow(columns=("t", "kind", "code"), kinds=[EventKind.BUTTON_DOWN, EventKind.BUTTON_UP])
    )
print(f"{len(events)} events from {events['t'].iloc[0]:%H:%M:%S} to {events['t'].iloc[-1]:%H:%M:%S}")
print(events["kind"].value_counts().head(4).to_string())

# %% How long each button is held
buttons["held_ms"] = -buttons.groupby("code", observed=True)["t"].diff(-1) / 1e6
held = buttons[buttons["kind"] == "button_down"].groupby("code", observed=True)["held_ms"]
print(held.describe()[["count", "50%", "max"]].round(1).to_string())

# %% Events and path of the pointer, minute by minute
moves = events[events["kind"] == "move"]
steps = (moves["x"].diff() ** 2 + moves["y"].diff() ** 2) ** 0.5
minutes = pd.DataFrame({"events": 1, "pixels": steps}).groupby(moves["t"].dt.floor("min")).sum()
print(minutes.round(0).head(3).to_string())

# %% What pandas has becomes a stream again, exactly
with Writer(path.with_name("moves.evc")) as writer:
    for batch in EventBatch.batches_from_arrow(
        moves.reset_index(drop=True), epoch_ns=1_790_000_000_000_000_000
    ):
        writer.write(batch)
with Reader(path) as reader, Reader(path.with_name("moves.evc")) as again:
    assert again.read().equals(reader.read(kinds=[EventKind.MOVE]))
    print(f"{len(again)} moves written, none changed")
folder.cleanup()
