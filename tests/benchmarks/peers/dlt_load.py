"""The peer that a user would pick to load rows into PostgreSQL: dlt.

It gets rows that are normalised already, keeps no versions and gives no receipts; all of a load is durable at its end.
"append" adds rows. "merge" keeps one row a record, whatever is sent again, as intake does. As "rows" it is used as its
own tutorial uses it: Python objects and every default. As "arrow" it is given what it is fastest with: Arrow tables,
and CSV as the way in.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import dlt
import pyarrow as pa
import sqlalchemy as sa

TABLE = "peer_rows"
_LOADER_FORMATS = {"rows": None, "arrow": "csv"}


def load(url: str, rows: pa.Table, *, form: str, disposition: str) -> float:
    """Rows a second of loading `rows` into the database at `url`, as "append" or "merge", in this process."""
    given: Iterable[Any] = rows.to_pylist() if form == "rows" else rows.to_batches()
    resource = dlt.resource(
        given,
        name=f"{TABLE}_{form}_{disposition}",
        primary_key=["source_record_id"],
        write_disposition=disposition,
    )
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with tempfile.TemporaryDirectory(prefix="lienthong-peer-") as folder:
        pipeline = dlt.pipeline(
            f"peer_{form}_{disposition}",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(_credentials(url)),
            dataset_name="peer",
        )
        began = time.perf_counter()
        pipeline.run(resource, loader_file_format=_LOADER_FORMATS[form])
        return rows.num_rows / (time.perf_counter() - began)


def _credentials(url: str) -> dict[str, object]:
    """The URL as dlt wants it told: it asks for a password even where none is needed."""
    parsed = sa.make_url(url)
    host = parsed.host or str(parsed.query["host"])
    port = parsed.port or int(str(parsed.query.get("port", 5432)))
    return {
        "database": parsed.database,
        "username": parsed.username or "postgres",
        "password": parsed.password or "none",
        "host": quote(host, safe=""),  # the folder of a socket goes into a URL again
        "port": port,
    }
