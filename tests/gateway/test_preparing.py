"""What waits and speaks alike is normalised together, sources in turn, and each gets what is its own."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters import catalogue
from adapters.catalogue import Source
from adapters.errors import RejectedBatchError
from adapters.normalise import Normalised
from gateway import receiving, workers
from gateway.preparing import TOGETHER_BATCHES, Preparer
from gateway.receiving import Received
from reconciliation.model import Batch, BatchFormat
from reconciliation.store.engine import connect
from tests.gateway.batches import EXPORTED_ON, JSONL_SOURCE, people

FIRST = catalogue.load().sources[JSONL_SOURCE]
SECOND = replace(FIRST, source_id="elsewhere.population")
OTHER = catalogue.load().sources["lao-cai.population"]


def received(source: Source, sequence: int, payload: bytes | None = None) -> Received:
    content = people(100 * sequence, 3) if payload is None else payload
    batch = Batch(
        source_id=source.source_id,
        epoch="e",
        sequence=sequence,
        format=BatchFormat.SOURCE_FILE,
        sha256=hashlib.sha256(content).digest(),
        exported_on=EXPORTED_ON,
        payload=content,
    )
    return Received(batch, source, [FIRST.province_code], 0)


def prepare(
    waiting: Sequence[Received], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Normalised | BaseException], list[list[tuple[str, int]]]]:
    """What becomes of batches that all wait at once, and which of them were normalised together."""
    together: list[list[tuple[str, int]]] = []
    real = receiving.prepare

    def noting(group: Sequence[Received]) -> list[Normalised | Exception]:
        together.append([(one.source.source_id, one.batch.sequence) for one in group])
        return real(group)

    async def run() -> list[Normalised | BaseException]:
        pools = workers.start(
            connect("postgresql+psycopg://nobody@127.0.0.1:1/none"), store_threads=1, column_threads=1
        )
        try:
            preparer = Preparer(pools, threads=1)
            return await asyncio.gather(*(preparer.prepare(one) for one in waiting), return_exceptions=True)
        finally:
            pools.shutdown()

    with monkeypatch.context() as patched:
        patched.setattr(receiving, "prepare", noting)
        return asyncio.run(run()), together


def test_sources_of_one_dialect_share_a_turn_and_come_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [received(FIRST, number) for number in (1, 2, 3)] + [received(SECOND, 1)]

    found, together = prepare(waiting, monkeypatch)

    assert together == [[(FIRST.source_id, 1), (SECOND.source_id, 1), (FIRST.source_id, 2), (FIRST.source_id, 3)]]
    keys = [one.table["source_record_id"].to_pylist() for one in found if isinstance(one, Normalised)]
    assert keys == [[f"P{100 * number + place:07d}" for place in range(3)] for number in (1, 2, 3, 1)]


def test_another_dialect_has_a_turn_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OTHER.dialect != FIRST.dialect

    found, together = prepare([received(FIRST, 1), received(OTHER, 1, b"?"), received(FIRST, 2)], monkeypatch)

    assert together == [[(FIRST.source_id, 1), (FIRST.source_id, 2)], [(OTHER.source_id, 1)]]
    assert [isinstance(one, Normalised) for one in found] == [True, False, True]


def test_one_that_cannot_be_read_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [received(FIRST, 1), received(SECOND, 1, b'{"unheard_of": 1}\n'), received(FIRST, 2)]

    found, _ = prepare(waiting, monkeypatch)

    assert [isinstance(one, Normalised) for one in found] == [True, False, True]
    assert isinstance(found[1], RejectedBatchError)
    assert SECOND.source_id in str(found[1])


def test_a_flood_waits_for_who_came_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = [received(FIRST, number) for number in range(1, 2 * TOGETHER_BATCHES)]

    _, together = prepare([*flood, received(SECOND, 1)], monkeypatch)

    assert [len(one) for one in together] == [TOGETHER_BATCHES, TOGETHER_BATCHES]
    assert together[0][1] == (SECOND.source_id, 1)
