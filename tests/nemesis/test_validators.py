"""Each validator sees its violation in a history made up to hold it, and nothing in a good one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nemesis import history as histories
from tests.nemesis.feed_validators import holding_hash
from tests.nemesis.final import Entry, Feed, Final, Held, Landing, Record, state_hash
from tests.nemesis.history import Event, Kind
from tests.nemesis.validators import PUSH, VALIDATORS, WELCOME, same_whatever_the_clocks, violations

SOURCE, OTHER = "ha-noi.population", "lao-cai.population"
ONE, TWO = f"{SOURCE}/e1/1", f"{SOURCE}/e1/2"
BEGUN = 1_800_000_000.0


def landing(batch_id: int, key: str, **fields: object) -> Landing:
    whole = {
        "receipt_id": f"receipt {batch_id}",
        "source_id": SOURCE,
        "sha256": f"hash of {key}",
        "province_code": "01",
        "received": 2,
        "accepted": 2,
        "superseded": 0,
        "quarantined": 0,
        "landed_at": BEGUN + batch_id,
    } | fields
    return Landing(batch_id=batch_id, key=key, **whole)


def record(batch_id: int, row: int, name: str, version: int, **fields: object) -> Record:
    whole = {
        "source_id": SOURCE,
        "content": f"{SOURCE} so {version}",
        "state": "awaiting_reconciliation",
        "state_source_id": SOURCE,
        "state_province": "01",
        "is_head": True,
    } | fields
    return Record(batch_id=batch_id, row=row, source_record_id=name, version=version, **whole)


def event(t: float, kind: Kind, key: str, **value: object) -> Event:
    return Event(t=BEGUN + t, process="p1", type=kind, op=PUSH, key=key, value={"sha256": f"hash of {key}"} | value)


def invoke(t: float, key: str, records: list[Record], held: tuple[int, ...] = (), **value: object) -> Event:
    said = [[one.row, one.source_record_id, one.version, one.content] for one in records]
    return event(t, Kind.INVOKE, key, records=said, held=list(held), **value)


def ok(t: float, of: Landing, **value: object) -> Event:
    told = {name: getattr(of, name) for name in ("receipt_id", "received", "accepted", "superseded", "quarantined")}
    return event(t, Kind.OK, of.key, **({**told, "landed_at": of.landed_at, "replayed": False} | value))


# Batch 1 brings A and B, batch 2 a newer A and something that is held back.
FIRST, SECOND = landing(1, ONE), landing(2, TWO, accepted=1, quarantined=1)
OLD_A = record(1, 0, "A", 10, state="superseded", is_head=False)
B, NEW_A = record(1, 1, "B", 10), record(2, 0, "A", 12)
HISTORY = [
    invoke(0, ONE, [OLD_A, B]),
    ok(2, FIRST),
    invoke(3, TWO, [NEW_A], held=(1,)),
    event(4, Kind.INFO, TWO),
    invoke(5, TWO, [NEW_A], held=(1,)),
    ok(6, SECOND, replayed=True),
    Event(t=BEGUN + 7, process="p1", type=Kind.OK, op=WELCOME, key=f"{SOURCE}/e1", value={"last_durable": 2}),
]
# The feed: two transactions, of which the second changes one subject and takes the other away; one registry reads all.
A_1, B_1, A_2, B_GONE = (
    Entry(feed_seq=1, change_id=5, subject="a", cause="CREATED", content="w/1 a"),
    Entry(feed_seq=2, change_id=4, subject="b", cause="CREATED", content="w/1 b"),
    Entry(feed_seq=3, change_id=8, subject="a", cause="UPDATED", content="w/2 a"),
    Entry(feed_seq=4, change_id=7, subject="b", cause="RETRACTED", content=None),
)
FEED = Feed(head=4, entries=(A_1, B_1, A_2, B_GONE), acknowledged={"population": (1, 4)})


def did(op: str, kind: Kind, key: str = "population", **value: object) -> Event:
    return Event(t=BEGUN + 7, process="w", type=kind, op=op, key=key, value=value)


def page(after: int, upto: int, *entries: Entry, holding: dict[str, str], **said: object) -> Event:
    changes = [[one.feed_seq, one.subject, one.cause, one.content] for one in entries]
    whole = {
        "after": [1, after], "upto": [1, upto], "head": 4, "changes": changes, "holding": holding_hash(holding),
        "columns": ["full_name"], "granted": ["full_name"],
    } | said  # fmt: skip
    return did("fetch", Kind.OK, **whole)


PAGES = [
    page(0, 2, A_1, B_1, holding={"a": "w/1 a", "b": "w/1 b"}),
    page(2, 4, A_2, B_GONE, holding={"a": "w/2 a"}),
]
FED = [
    did("write", Kind.INVOKE, "w/1", contents=["w/1 a", "w/1 b"]),
    did("write", Kind.OK, "w/1", change_ids=[5, 4]),
    did("write", Kind.INVOKE, "w/2", contents=["w/2 a"]),
    did("write", Kind.OK, "w/2", change_ids=[8, 7]),
    *PAGES,
    did("acknowledge", Kind.INVOKE, upto=[1, 4]),
    did("acknowledge", Kind.OK, upto=[1, 4]),
    did("position", Kind.OK, acknowledged=[1, 4]),
    did("snapshot", Kind.OK, upto=[1, 4], holding=holding_hash({"a": "w/2 a"})),
    did("lie", Kind.FAIL, lie="a cursor of its own making"),
]
HISTORY = [*HISTORY[:-1], *FED, HISTORY[-1]]
FINAL = Final(
    landings=(FIRST, SECOND),
    records=(OLD_A, B, NEW_A),
    held=(Held(batch_id=2, row=1),),
    provinces={SOURCE: "01"},
    feed=FEED,
)

Bad = Callable[[], tuple[list[Event], Final]]


def with_landings(*landings: Landing) -> Final:
    return replace(FINAL, landings=landings)


def with_records(*records: Record) -> Final:
    return replace(FINAL, records=records)


def with_feed(**changes: object) -> Final:
    return replace(FINAL, feed=replace(FEED, **changes))


def with_fed(*events: Event, of: str | None = None) -> list[Event]:
    """The history with other events of the feed: all of those of `of`, or some more."""
    return [*(one for one in HISTORY if one.op != of), *events]


BAD_FEED: dict[str, tuple[str, Bad]] = {
    "a place that is missing": ("I7 feed complete", lambda: (HISTORY, with_feed(entries=(A_1, B_1, B_GONE)))),
    "a change that has two places": (
        "I7 feed complete",
        lambda: (HISTORY, with_feed(entries=(A_1, B_1, A_2, replace(B_GONE, change_id=8)))),
    ),
    "what nobody committed": (
        "I7 feed complete",
        lambda: ([*HISTORY, did("write", Kind.FAIL, "w/2")], FINAL),
    ),
    "a committed change that is nowhere": (
        "I7 feed in order",
        lambda: (HISTORY, with_feed(head=3, entries=(A_1, B_1, replace(B_GONE, feed_seq=3)))),
    ),
    "a transaction that is torn": (
        "I7 feed in order",
        lambda: (HISTORY, with_feed(entries=(A_1, replace(A_2, feed_seq=2), replace(B_1, feed_seq=3), B_GONE))),
    ),
    "later before earlier": (
        "I7 feed in order",
        lambda: (
            HISTORY,
            with_feed(entries=tuple(replace(one, feed_seq=n) for n, one in enumerate((A_2, B_GONE, A_1, B_1), 1))),
        ),
    ),
    "a page with a gap": (
        "I7 feed as told",
        lambda: (with_fed(page(0, 4, A_1, A_2, B_GONE, holding={"a": "w/2 a"}), of="fetch"), FINAL),
    ),
    "a page out of order": (
        "I7 feed as told",
        lambda: (with_fed(page(0, 2, B_1, A_1, holding={"a": "w/1 a", "b": "w/1 b"})), FINAL),
    ),
    "a cursor beyond the feed": (
        "I7 feed as told",
        lambda: (with_fed(page(4, 6, holding={"a": "w/2 a"})), FINAL),
    ),
    "a place that was told otherwise before the epoch": (
        "I7 feed as told",
        lambda: (
            with_fed(
                page(4, 5, replace(A_2, feed_seq=5), holding={}), page(4, 5, replace(B_1, feed_seq=5), holding={})
            ),
            with_feed(epoch=2, begun={2: 4}),
        ),
    ),
    "an end within a transaction": (
        "I7 feed as told",
        lambda: (with_fed(page(0, 2, A_1, B_1, holding={"a": "w/1 a", "b": "w/1 b"}, head=3)), FINAL),
    ),
    "a registry that holds something else": (
        "I8 snapshot and feed",
        lambda: (with_fed(page(2, 4, A_2, B_GONE, holding={"a": "w/2 a", "b": "w/1 b"})), FINAL),
    ),
    "a snapshot that is not the feed": (
        "I8 snapshot and feed",
        lambda: (with_fed(did("snapshot", Kind.OK, upto=[1, 2], holding=holding_hash({}))), FINAL),
    ),
    "a cursor that fell": (
        "I9 cursors",
        lambda: (
            with_fed(did("acknowledge", Kind.INFO, upto=[1, 2]), did("position", Kind.OK, acknowledged=[1, 2])),
            FINAL,
        ),
    ),
    "a cursor that was never acknowledged": (
        "I9 cursors",
        lambda: (with_fed(did("position", Kind.OK, acknowledged=[1, 5])), FINAL),
    ),
    "an acknowledgement that is forgotten": (
        "I9 cursors",
        lambda: (HISTORY, with_feed(acknowledged={"population": (1, 0)})),
    ),
    "a lie that was believed": ("I9 cursors", lambda: (with_fed(did("lie", Kind.OK, lie="a cursor")), FINAL)),
    "thrown away before it was read": (
        "I9 cursors",
        lambda: (HISTORY, with_feed(acknowledged={"population": (1, 4), "slow": (1, 0)}, entries=(B_1, A_2, B_GONE))),
    ),
    "a column that was not granted": (
        "I14 granted fields",
        lambda: (with_fed(page(4, 4, holding={"a": "w/2 a"}, columns=["full_name", "address"])), FINAL),
    ),
}

BAD: dict[str, tuple[str, Bad]] = {
    **BAD_FEED,
    "an acknowledged batch is gone": (
        "I1 no loss",
        lambda: (HISTORY, Final(landings=(SECOND,), records=(NEW_A,), held=FINAL.held, provinces=FINAL.provinces)),
    ),
    "an acknowledged record is gone": ("I1 no loss", lambda: (HISTORY, with_records(OLD_A, NEW_A))),
    "what was called durable is gone": (
        "I1 no loss",
        lambda: ([*HISTORY[:-1], replace(HISTORY[-1], value={"last_durable": 3})], FINAL),
    ),
    "a batch that nobody sent": ("I2 no phantom", lambda: (HISTORY[2:], FINAL)),
    "another content than was sent": (
        "I2 no phantom",
        lambda: (HISTORY, with_records(OLD_A, replace(B, content=f"{SOURCE} khac"), NEW_A)),
    ),
    "a good record held back": (
        "I2 no phantom",
        lambda: ([replace(one, value={**one.value, "held": []}) for one in HISTORY], FINAL),
    ),
    "records without a batch": (
        "I2 no phantom",
        lambda: (HISTORY, with_records(OLD_A, B, NEW_A, record(9, 0, "C", 1))),
    ),
    "a key that landed twice": (
        "I3 once",
        lambda: (HISTORY, with_landings(FIRST, SECOND, replace(FIRST, batch_id=3))),
    ),
    "a key acknowledged with other bytes": (
        "I3 once",
        lambda: ([*HISTORY, ok(8, FIRST, sha256="other bytes", replayed=True)], FINAL),
    ),
    "a key that was new twice": ("I3 once", lambda: ([*HISTORY, ok(8, FIRST)], FINAL)),
    "two receipts for one batch": (
        "I4 same verdict",
        lambda: ([*HISTORY, ok(8, FIRST, receipt_id="another", replayed=True)], FINAL),
    ),
    "acknowledged, then refused": (
        "I4 same verdict",
        lambda: ([*HISTORY, event(8, Kind.FAIL, ONE, reason="UNREADABLE")], FINAL),
    ),
    "refused, then acknowledged": (
        "I4 same verdict",
        lambda: ([event(1, Kind.FAIL, ONE, reason="UNREADABLE"), *HISTORY], FINAL),
    ),
    "refused for two reasons": (
        "I4 same verdict",
        lambda: ([*HISTORY, *(event(8, Kind.FAIL, "x/e1/9", reason=reason) for reason in ("A", "B"))], FINAL),
    ),
    "another receipt in the ledger": (
        "I4 same verdict",
        lambda: (HISTORY, with_landings(replace(FIRST, receipt_id="another"), SECOND)),
    ),
    "half a batch": ("I5 whole batches", lambda: (HISTORY, with_records(OLD_A, NEW_A))),
    "a record without a state": (
        "I5 whole batches",
        lambda: (HISTORY, with_records(OLD_A, replace(B, state=None), NEW_A)),
    ),
    "a late version that stands": (
        "I6 versions rise",
        lambda: (HISTORY, with_records(replace(OLD_A, is_head=True), B, replace(NEW_A, is_head=False))),
    ),
    "an old version that is not superseded": (
        "I6 versions rise",
        lambda: (HISTORY, with_records(replace(OLD_A, state="awaiting_reconciliation"), B, NEW_A)),
    ),
    "a late version that was not counted": (
        "I6 versions rise",
        lambda: (HISTORY, with_records(OLD_A, B, replace(NEW_A, version=9, state="superseded", is_head=False))),
    ),
    "a batch that does not add up": (
        "I12 nothing vanishes",
        lambda: (HISTORY, with_landings(replace(FIRST, accepted=1), SECOND)),
    ),
    "more received than stored": ("I12 nothing vanishes", lambda: (HISTORY, replace(FINAL, held=()))),
    "a receipt that does not add up": ("I12 nothing vanishes", lambda: ([*HISTORY, ok(8, FIRST, accepted=7)], FINAL)),
    "another province": (
        "I14 isolated",
        lambda: (HISTORY, with_landings(replace(FIRST, province_code="79"), SECOND)),
    ),
    "a state in another province": (
        "I14 isolated",
        lambda: (HISTORY, with_records(OLD_A, replace(B, state_province="79"), NEW_A)),
    ),
    "a record of another source": (
        "I14 isolated",
        lambda: (HISTORY, with_records(OLD_A, replace(B, source_id=OTHER), NEW_A)),
    ),
    "another source's content": (
        "I14 isolated",
        lambda: (HISTORY, with_records(OLD_A, replace(B, content=f"{OTHER} so 1"), NEW_A)),
    ),
    "dated by a sender's clock": (
        "I15 clock-free",
        lambda: (HISTORY, with_landings(replace(FIRST, landed_at=BEGUN - 900), SECOND)),
    ),
    "never answered": ("answered", lambda: ([*HISTORY, invoke(7, f"{SOURCE}/e1/3", [])], FINAL)),
}


def test_a_good_history_violates_nothing() -> None:
    assert violations(HISTORY, FINAL) == []


@pytest.mark.parametrize(("validator", "bad"), BAD.values(), ids=BAD)
def test_a_violation_is_seen_by_its_validator(validator: str, bad: Bad) -> None:
    assert validator in {name for name, _ in violations(*bad())}


def test_every_validator_is_tested() -> None:
    assert {validator for validator, _ in BAD.values()} == set(VALIDATORS)


def test_another_order_of_arrival_is_another_state_and_other_numbers_are_not() -> None:
    renumbered = replace(
        FINAL,
        landings=tuple(replace(one, batch_id=one.batch_id + 5, landed_at=0.0) for one in FINAL.landings),
        records=tuple(replace(one, batch_id=one.batch_id + 5) for one in FINAL.records),
    )
    turned = with_landings(SECOND, FIRST)

    assert state_hash(renumbered) == state_hash(FINAL)
    assert list(same_whatever_the_clocks(FINAL, renumbered)) == []
    assert list(same_whatever_the_clocks(FINAL, turned)) != []
    assert list(same_whatever_the_clocks(FINAL, turned, [ok(8, FIRST)])) != []


def test_where_a_sending_was_not_answered_the_order_is_nobody_s_but_what_stands_is_the_same() -> None:
    unanswered = [Event(t=BEGUN + 9, process="p1", type=Kind.INFO, op=PUSH, key=ONE, value={})]
    turned = with_landings(SECOND, FIRST)
    other_head = with_records(OLD_A, B, replace(NEW_A, is_head=False))

    assert list(same_whatever_the_clocks(FINAL, turned, unanswered)) == []
    assert list(same_whatever_the_clocks(FINAL, other_head, unanswered)) != []


def test_a_kept_history_is_read_as_it_was(tmp_path: Path) -> None:
    histories.write(tmp_path / "kept.jsonl", HISTORY)

    assert histories.read(tmp_path / "kept.jsonl") == HISTORY
