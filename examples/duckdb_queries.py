"""SQL over sessions with DuckDB, which takes a Reader or a Dataset as a table.

Run it with ``python examples/duckdb_queries.py``; it needs ``pip install duckdb``.
"""

# %% Made-up sessions of two people
import tempfile
from pathlib import Path

import duckdb

from evcodec import EventBatch, EventKind, Reader, Writer, open_dataset
from evcodec.sample import sample_session

folder = tempfile.TemporaryDirectory()
for number, user in enumerate(("anna", "bo")):
    place = Path(folder.name) / f"user={user}"
    place.mkdir()
    with Writer(place / "session.evc") as writer:
        writer.write(sample_session(60_000, seed=number))

# %% One stream is a table: the name of the variable is the name of the table
with Reader(place / "session.evc") as events:
    print(
        duckdb.sql("SELECT kind, count(*) AS events FROM events GROUP BY kind ORDER BY events DESC LIMIT 4")
    )

# %% So is a dataset, with the folders' names as columns; what is asked of evcodec is not even decoded
dataset = open_dataset(folder.name)
clicks = dataset.arrow(columns=("t", "x", "y"), kinds=[EventKind.BUTTON_DOWN])
print(
    duckdb.sql(
        """
        SELECT user, count(*) AS clicks, median(x)::INT AS x, median(y)::INT AS y,
               round(median(pause) / 1e9, 2) AS seconds_between
        FROM (SELECT *, t - lag(t) OVER (PARTITION BY user ORDER BY t) AS pause FROM clicks)
        GROUP BY user ORDER BY user
        """
    )
)

# %% The answer to a query can be written as a stream
keys = dataset.arrow(kinds=[EventKind.KEY_DOWN, EventKind.KEY_UP])
answer = duckdb.sql("SELECT t, kind, code, user = 'bo' AS person FROM keys ORDER BY t")
answer = answer.project("t, kind, code, person::UTINYINT AS person")
path = Path(folder.name) / "keys.evc"
with Writer(path) as writer:
    for batch in EventBatch.batches_from_arrow(answer):
        writer.write(batch)
with Reader(path) as reader:
    print(
        f"{len(reader)} strokes of two people in one stream, {path.stat().st_size / len(reader):.1f} bytes each"
    )
folder.cleanup()
