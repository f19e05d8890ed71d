"""Quiet and broken differ: a source that attests silence is quiet, one that says nothing in time is late."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from adapters.catalogue import Cadence
from reconciliation.errors import RejectedRequestError
from reconciliation.store import attestations, batches_held, landing
from reconciliation.store.attestations import Heard
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

YEN_BAI = replace(source(), cadence=Cadence.DAILY)


def land(engine: sa.Engine, sequence: int, *, now: datetime = NOW, epoch: str = "e1") -> bytes:
    one = batch(sequence, payload=b"%d" % sequence, epoch=epoch)
    empty = normalised(rows(RecordKind.PERSON), [{"row": 0, "source_record_id": "1", "codes": ["X"], "raw": b""}])
    landing.land(engine, one, empty, source=YEN_BAI, now=now)
    return one.sha256


def attest(engine: sa.Engine, up_to: int, *, now: datetime = NOW, epoch: str = "e1") -> datetime:
    return attestations.attest(engine, source=YEN_BAI, epoch=epoch, up_to_sequence=up_to, stated_at=None, now=now)


def state(engine: sa.Engine, *, at: datetime) -> Heard:
    (heard,) = attestations.hearings(engine, [YEN_BAI], now=at)
    return heard.state


def test_a_source_is_heard_of_by_its_batches_then_by_its_silence_then_not(engine):
    assert state(engine, at=NOW) is Heard.NEVER

    land(engine, 1)
    assert state(engine, at=NOW + timedelta(hours=47)) is Heard.SENT
    assert state(engine, at=NOW + timedelta(hours=49)) is Heard.LATE

    due = attest(engine, 1, now=NOW + timedelta(hours=40))
    assert due == NOW + timedelta(hours=88)
    assert state(engine, at=NOW + timedelta(hours=47)) is Heard.SENT
    assert state(engine, at=NOW + timedelta(hours=49)) is Heard.QUIET
    assert state(engine, at=NOW + timedelta(hours=89)) is Heard.LATE


def test_a_source_that_has_nothing_at_all_may_say_so(engine):
    attest(engine, 0)

    assert state(engine, at=NOW) is Heard.QUIET


@pytest.mark.parametrize(
    ("landed", "up_to"),
    [([1], 2), ([1, 3], 3), ([1, 2, 3], 2), ([], 1)],
    ids=["one owed", "a gap", "more is here than there", "nothing came"],
)
def test_silence_over_batches_that_are_not_here_is_premature(engine, landed, up_to):
    for sequence in landed:
        land(engine, sequence)

    with pytest.raises(RejectedRequestError) as refused:
        attest(engine, up_to)

    assert refused.value.reason == "SILENCE_PREMATURE"
    assert state(engine, at=NOW + timedelta(days=9)) in {Heard.LATE, Heard.NEVER}


def test_each_cadence_has_its_own_patience():
    due = [attestations.expected_by(cadence, NOW) - NOW for cadence in Cadence]

    assert [span.days for span in due] == [2, 8, 32]


def test_leaves_are_the_sequence_and_the_hash_of_each_batch_in_order(engine, monkeypatch):
    monkeypatch.setattr(batches_held, "_AT_ONCE", 2)
    hashes = {sequence: land(engine, sequence) for sequence in (5, 1, 2, 4)}
    land(engine, 3, epoch="another")

    held = batches_held.read(engine, source_id=YEN_BAI.source_id, epoch="e1", first=2, last=9)

    assert held == b"".join(sequence.to_bytes(8, "big") + hashes[sequence] for sequence in (2, 4, 5))
    assert batches_held.read(engine, source_id=YEN_BAI.source_id, epoch="e1", first=6, last=9) == b""
