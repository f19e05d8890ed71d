"""The feed through Arrow Flight: what it would give if it were our door for large pulls. No certificates, no grants.

`python -m tests.benchmarks.peers.flight_feed DATABASE_URL` prints where it listens.
"""

import itertools
import json
import queue
import sys
import threading
from collections.abc import Iterator

import pyarrow as pa
from pyarrow import flight

from adapters.canonical import RecordKind
from reconciliation.model import Cursor
from reconciliation.store import feed
from reconciliation.store.engine import Engine, connect

STRETCH = 20_000  # changes, as the gateway's streams read


class FeedServer(flight.FlightServerBase):  # type: ignore[misc]
    """Streams the changes of one kind from the beginning of the feed; reads one stretch ahead."""

    def __init__(self, engine: Engine) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._engine = engine

    def do_get(self, _: flight.ServerCallContext, ticket: flight.Ticket) -> flight.GeneratorStream:
        """Every change of the kind that the ticket names."""
        asked = json.loads(ticket.ticket)
        tables = self._tables(asked["consumer_id"], RecordKind(asked["kind"]))
        first = next(tables)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        return flight.GeneratorStream(first.schema, _batches(first, tables), options)

    def _tables(self, consumer_id: str, kind: RecordKind) -> Iterator[pa.Table]:
        ahead: queue.Queue[pa.Table | None] = queue.Queue(1)
        threading.Thread(target=self._read, args=(consumer_id, kind, ahead), daemon=True).start()
        while (table := ahead.get()) is not None:
            yield table

    def _read(self, consumer_id: str, kind: RecordKind, ahead: "queue.Queue[pa.Table | None]") -> None:
        head = feed.head(self._engine)
        place = Cursor(epoch=head.epoch, sequence=0)
        while place.sequence < head.sequence:
            page = feed.fetch(self._engine, consumer_id=consumer_id, after=place, limit=STRETCH)
            ahead.put(page.tables[kind])
            place = page.upto
        ahead.put(None)


def _batches(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    for table in itertools.chain([first], others):
        yield from table.combine_chunks().to_batches()


if __name__ == "__main__":
    serving = FeedServer(connect(sys.argv[1]))
    print(f"grpc://127.0.0.1:{serving.port}", flush=True)
    serving.serve()
