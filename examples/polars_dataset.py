"""A folder of sessions in Polars, lazily: what a query asks for is read.

Run it with ``python examples/polars_dataset.py``; it needs ``pip install 'evcodec[polars]'``.
"""

# %% Made-up sessions of three people on two days
import tempfile
from pathlib import Path

import polars as pl

from evcodec import Writer, scan_polars
from evcodec.sample import sample_session

folder = tempfile.TemporaryDirectory()
for number, user in enumerate(("anna", "bo", "carol")):
    for day in range(2):
        place = Path(folder.name) / f"user={user}" / f"date=2026-09-2{day}"
        place.mkdir(parents=True)
        with Writer(place / "morning.evc") as writer:
            writer.anchor(0, 1_789_887_600_000_000_000 + day * 86_400 * 10**9)
            writer.write(sample_session(40_000, seed=10 * number + day))

# %% One lazy frame over all of them: the folders' names are columns
sessions = scan_polars(folder.name, timestamps=True)
print(sessions.collect_schema())

# %% Clicks of two people: the third one's files are not opened, blocks without clicks and other columns are not read
clicks = (
    sessions.filter(pl.col("kind") == "button_down", pl.col("user").is_in(["anna", "bo"]))
    .group_by("user", "date")
    .agg(clicks=pl.len(), first=pl.col("t").min().dt.time())
    .sort("user", "date")
    .collect()
)
print(clicks)

# %% The busiest ten seconds of each person
busiest = (
    sessions.group_by("user", pl.col("t").dt.truncate("10s").alias("from"))
    .agg(events=pl.len())
    .sort("events", descending=True)
    .group_by("user", maintain_order=True)
    .first()
    .sort("user")
    .collect()
)
print(busiest)

# %% The first rows need the first blocks only
head = sessions.select("t", "kind", "x", "y").head(3).collect()
print(head)
print(f"{sessions.select(pl.len()).collect().item()} events in all")
folder.cleanup()
