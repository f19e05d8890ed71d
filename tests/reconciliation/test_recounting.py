"""A province recounts its balance: what differs is named by its cell, what was not given is not called equal."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from reconciliation.recounting import OwnBatch, recount
from reconciliation.statement import LedgerDay, SourceDay, Statement, from_bytes, to_bytes

NOON = datetime(2025, 9, 3, 5, 0, tzinfo=UTC)
SOURCE = "yen-bai.population"


def own(sequence: int, *, day: int = 0, received: int = 10) -> OwnBatch:
    return OwnBatch(
        source_id=SOURCE,
        epoch="e1",
        sequence=sequence,
        sha256=hashlib.sha256(bytes([sequence])).digest(),
        landed_at=NOON + timedelta(days=day),
        received=received,
        accepted=received - 1,
        superseded=0,
        quarantined=1,
    )


def said(batches: list[OwnBatch]) -> Statement:
    """The balance of a gateway that has these."""
    ledger, sources = [], []
    days = sorted({one.landed_at.date() for one in batches if one.landed_at})
    for day in days:
        of_day = [one for one in batches if one.landed_at and one.landed_at.date() == day]
        received, held = sum(one.received or 0 for one in of_day), sum(one.quarantined or 0 for one in of_day)
        digest = hashlib.sha256(b"".join(one.sha256 for one in of_day)).hexdigest()
        ledger.append(
            LedgerDay(
                source_id=SOURCE,
                epoch="e1",
                day=day,
                batches=len(of_day),
                first=of_day[0].sequence,
                last=of_day[-1].sequence,
                received=received,
                accepted=received - held,
                superseded=0,
                quarantined=held,
                digest=digest,
            )
        )
        sources.append(
            SourceDay(
                source_id=SOURCE,
                kind="person",
                day=day,
                received=received,
                accepted=received - held,
                quarantined=held,
                superseded=0,
                pending=0,
            )
        )
    return Statement(
        province_code="15",
        made_at=NOON + timedelta(days=9),
        previous=None,
        sources=tuple(sources),
        ledger=tuple(ledger),
        former_units=(),
        current_units=(),
    )


BATCHES = [own(1), own(2), own(3, day=1), own(4, day=1)]
AS_FILES = [OwnBatch(source_id=SOURCE, epoch="e1", sequence=one.sequence, sha256=one.sha256) for one in BATCHES]


@pytest.mark.parametrize("held", [BATCHES, AS_FILES], ids=["receipts", "files"])
def test_the_same_on_both_sides_differs_in_nothing(held: list[OwnBatch]) -> None:
    found = recount(said(BATCHES), held)

    assert (found.differences, found.not_compared) == ((), ())
    assert found.compared == 4, "two days of the spool, and two of the source"


@pytest.mark.parametrize("held", [BATCHES, AS_FILES], ids=["receipts", "files"])
def test_a_batch_that_the_gateway_lost_is_found_by_its_day(held: list[OwnBatch]) -> None:
    found = recount(said(BATCHES[:1] + BATCHES[2:]), held)

    assert {one.column for one in found.differences} >= {"batches", "digest"}
    assert all(one.day in {date(2025, 9, 3), None} for one in found.differences)
    assert any(2 in one.sequences for one in found.differences)


def test_a_count_or_a_byte_that_differs_is_named() -> None:
    fewer = [*BATCHES[:3], replace(BATCHES[3], received=9, accepted=8)]
    other = [*BATCHES[:3], replace(BATCHES[3], sha256=b"\0" * 32)]

    counted = recount(said(fewer), BATCHES).differences
    altered = recount(said(other), BATCHES).differences

    second = date(2025, 9, 4)
    assert {(one.day, one.column, one.said, one.own) for one in counted} == {
        (second, "received", 19, 20),
        (second, "accepted", 17, 18),
    }
    assert [(one.day, one.column, one.sequences) for one in altered] == [(second, "digest", (3, 4))]


def test_what_landed_after_it_and_what_was_not_given_is_not_compared() -> None:
    statement = said(BATCHES)

    later = recount(statement, [*BATCHES, own(5, day=20)])
    nothing = recount(statement, [])

    assert later.differences == ()
    assert (nothing.differences, nothing.not_compared) == ((), ((SOURCE, "e1"),))


def test_a_balance_that_contradicts_itself_is_found_without_any_data() -> None:
    statement = said(BATCHES)
    fewer = replace(statement.sources[0], received=19, accepted=17)
    lost = replace(statement.sources[1], accepted=17)

    found = recount(replace(statement, sources=(fewer, lost)), [])

    assert [(one.column, one.said, one.own) for one in found.differences] == [
        ("received", 19, 20),
        ("accepted + quarantined + superseded + pending", 19, 20),
    ]


def test_the_bytes_of_a_balance_say_the_same_each_time_and_nothing_else_is_taken_for_one() -> None:
    statement = said(BATCHES)

    written = to_bytes(statement)

    assert from_bytes(written) == statement
    assert to_bytes(from_bytes(written)) == written
    for content in (b"", b"[]", b"{}", b'{"form":"lienthong.balance/1"}', written[:-9], written.replace(b"/1", b"/2")):
        with pytest.raises(ValueError, match="no balance"):
            from_bytes(content)
