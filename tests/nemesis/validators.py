"""One validator a promise: a pure function from a history and the final state to what is wrong with them.

The numbers are those of docs/nemesis.md. An `info` may have taken effect or not; whatever it did has to be the same for
everybody who looks later.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.nemesis import feed_validators
from tests.nemesis.final import SUPERSEDED, Final, Landing, Record, state_hash
from tests.nemesis.history import Event, Kind

Validator = Callable[[Sequence[Event], Final], Iterator[str]]

PUSH, WELCOME = "push", "welcome"
RECEIPT = ("receipt_id", "received", "accepted", "superseded", "quarantined", "landed_at")
KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"


def _pushes(history: Sequence[Event], *kinds: Kind) -> Iterator[Event]:
    return (event for event in history if event.op == PUSH and event.type in kinds)


def _ledger(final: Final) -> dict[tuple[str, str], list[Landing]]:
    """Landings by key and hash."""
    found = defaultdict(list)
    for landing in final.landings:
        found[landing.key, landing.sha256].append(landing)
    return found


def _sent(history: Sequence[Event]) -> dict[tuple[str, str], Event]:
    """The first sending of each key and hash."""
    sent: dict[tuple[str, str], Event] = {}
    for event in _pushes(history, Kind.INVOKE):
        sent.setdefault((event.key, event.value["sha256"]), event)
    return sent


def _rows(final: Final) -> dict[int, list[Record]]:
    rows = defaultdict(list)
    for record in final.records:
        rows[record.batch_id].append(record)
    return rows


def _said(record: Record) -> list[object]:
    return [record.row, record.source_record_id, record.version, record.content]


def no_loss(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I1: what was acknowledged is stored, whole; what was called durable is there."""
    ledger, rows, sent = _ledger(final), _rows(final), _sent(history)
    for key, sha256 in sorted({(event.key, event.value["sha256"]) for event in _pushes(history, Kind.OK)}):
        landings = ledger.get((key, sha256), [])
        if not landings:
            yield f"{key} was acknowledged and is not there"
            continue
        asked = sent.get((key, sha256))
        stored = [_said(record) for record in rows[landings[0].batch_id]]
        if asked is not None and (lost := [row for row in asked.value["records"] if list(row) not in stored]):
            yield f"{key} was acknowledged and {len(lost)} of its records are not there"
    durable = {landing.key for landing in final.landings}
    for event in history:
        if event.op == WELCOME and event.type is Kind.OK:
            claimed = [f"{event.key}/{sequence}" for sequence in range(1, event.value["last_durable"] + 1)]
            if gone := [key for key in claimed if key not in durable]:
                yield f"{gone[0]} was called durable to {event.process} and is not there"


def no_phantom(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I2: everything stored was sent, under that key and with that content."""
    sent, rows = _sent(history), _rows(final)
    known = {landing.batch_id for landing in final.landings}
    for landing in final.landings:
        asked = sent.get((landing.key, landing.sha256))
        if asked is None:
            yield f"{landing.key} holds bytes that nobody sent"
            continue
        said = [list(row) for row in asked.value["records"]]
        if [record for record in rows[landing.batch_id] if _said(record) not in said]:
            yield f"{landing.key} holds records that were not sent in it"
        held = {one.row for one in final.held if one.batch_id == landing.batch_id}
        if held - set(asked.value["held"]):
            yield f"{landing.key} holds back records that were good"
    if unknown := {one.batch_id for one in (*final.records, *final.held)} - known:
        yield f"records of batch numbers {sorted(unknown)} belong to no batch"


def once(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I3: a key takes effect once, and with one content."""
    for key, count in Counter(landing.key for landing in final.landings).items():
        if count > 1:
            yield f"{key} landed {count} times"
    taken = {landing.key: landing.sha256 for landing in final.landings}
    for event in _pushes(history, Kind.OK):
        if event.key in taken and taken[event.key] != event.value["sha256"]:
            yield f"{event.key} was acknowledged to {event.process} with other bytes than the ones that landed"
    fresh = Counter(event.key for event in _pushes(history, Kind.OK) if not event.value["replayed"])
    for key, count in fresh.items():
        if count > 1:
            yield f"{key} was called new {count} times"


def same_verdict(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I4: the same bytes under the same key get the same receipt for ever, or the same refusal."""
    receipts: dict[tuple[str, str], dict[str, object]] = {}
    refused: dict[tuple[str, str], str] = {}
    for event in _pushes(history, Kind.OK, Kind.FAIL):
        asked = event.key, event.value["sha256"]
        if event.type is Kind.OK:
            receipt = {name: event.value[name] for name in RECEIPT}
            if receipts.setdefault(asked, receipt) != receipt:
                yield f"{event.key} got two different receipts"
            if asked in refused:
                yield f"{event.key} was refused as {refused[asked]} and acknowledged as well"
        else:
            reason = str(event.value["reason"])
            if refused.setdefault(asked, reason) != reason:
                yield f"{event.key} was refused as {refused[asked]} and as {reason}"
            if asked in receipts:
                yield f"{event.key} was acknowledged and then refused as {reason}"
    for landing in final.landings:
        receipt = receipts.get((landing.key, landing.sha256))
        stored = {name: getattr(landing, name) for name in RECEIPT}
        if receipt is not None and {**receipt, "landed_at": 0} != {**stored, "landed_at": 0}:
            yield f"{landing.key} has another receipt in the ledger than its sender"


def whole_batches(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I5: of a batch everything is there or nothing; every record has its state."""
    rows = defaultdict(list)
    for one in (*final.records, *final.held):
        rows[one.batch_id].append(one.row)
    for landing in final.landings:
        if sorted(rows[landing.batch_id]) != list(range(landing.received)):
            yield f"{landing.key} received {landing.received} records and holds rows {sorted(rows[landing.batch_id])}"
    if stateless := sum(record.state is None for record in final.records):
        yield f"{stateless} records have no state"


def versions_rise(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I6: of a source's record the newest version stands; a late one is superseded and never overwrites."""
    standing: dict[tuple[str, str], Record] = {}
    late: Counter[int] = Counter()
    for record in final.records:  # in the order of arrival
        subject = record.source_id, record.source_record_id
        head = standing.get(subject)
        is_late = head is not None and (
            record.version < head.version or (record.version, record.content) == (head.version, head.content)
        )
        late[record.batch_id] += is_late
        if not is_late:
            standing[subject] = record
    heads = [id(record) for record in standing.values()]
    for record in final.records:
        should = id(record) in heads
        named = f"version {record.version} of {record.source_record_id} of {record.source_id}"
        if record.is_head != should:
            yield f"{named} {'stands' if record.is_head else 'does not stand'}"
        if (record.state == SUPERSEDED) == should:
            yield f"{named} is {record.state}"
    for landing in final.landings:
        if landing.superseded != late[landing.batch_id]:
            yield f"{landing.key} counts {landing.superseded} late versions and had {late[landing.batch_id]}"


def nothing_vanishes(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I12: received = accepted + superseded + quarantined for each batch, and of each source what is stored."""
    received, stored = Counter[str](), Counter[str]()
    source_of = {landing.batch_id: landing.source_id for landing in final.landings}
    for landing in final.landings:
        received[landing.source_id] += landing.received
        if landing.received != landing.accepted + landing.superseded + landing.quarantined:
            yield f"{landing.key} does not add up"
    for one in (*final.records, *final.held):
        stored[source_of.get(one.batch_id, "nobody")] += 1
    for source_id in sorted({*received, *stored}):
        if received[source_id] != stored[source_id]:
            yield f"{source_id}: {received[source_id]} received, {stored[source_id]} stored"
    for event in _pushes(history, Kind.OK):
        told = event.value
        if told["received"] != told["accepted"] + told["superseded"] + told["quarantined"]:
            yield f"the receipt of {event.key} does not add up"


def isolated(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I14: what a source sent is stored as its own and its province's, and touches nobody else's."""
    source_of = {landing.batch_id: landing.source_id for landing in final.landings}
    for landing in final.landings:
        if landing.province_code != final.provinces.get(landing.source_id):
            yield f"{landing.key} is stored for province {landing.province_code}"
    for record in final.records:
        owner = source_of.get(record.batch_id)
        if {record.source_id, record.state_source_id} != {owner}:
            yield f"a record of {owner} is stored as {record.source_id}'s, its state as {record.state_source_id}'s"
        if record.state_province != final.provinces.get(record.source_id):
            yield f"a record of {record.source_id} waits in province {record.state_province}"
        if not record.content.startswith(f"{record.source_id} "):
            yield f"a record of {record.source_id} has another source's content"


def clock_free(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I15: no sender's clock dates anything. They are a quarter of an hour off and more."""
    begun, ended = history[0].t, history[-1].t
    for landing in final.landings:
        if not begun <= landing.landed_at <= ended:
            off = landing.landed_at - (begun if landing.landed_at < begun else ended)
            yield f"{landing.key} is dated {off:+.0f} s outside the run"


def answered(history: Sequence[Event], final: Final) -> Iterator[str]:
    """Once everything is whole again, every question gets its answer."""
    ended = {(event.key, event.value["sha256"]) for event in _pushes(history, Kind.OK, Kind.FAIL)}
    for key, sha256 in _sent(history):
        if (key, sha256) not in ended:
            yield f"{key} was never answered"


VALIDATORS: Mapping[str, Validator] = {
    "I7 feed complete": feed_validators.complete,
    "I7 feed in order": feed_validators.ordered,
    "I7 feed as told": feed_validators.told_as_it_is,
    "I8 snapshot and feed": feed_validators.folded,
    "I9 cursors": feed_validators.cursors_rise,
    "I14 granted fields": feed_validators.only_granted,
    "I1 no loss": no_loss,
    "I2 no phantom": no_phantom,
    "I3 once": once,
    "I4 same verdict": same_verdict,
    "I5 whole batches": whole_batches,
    "I6 versions rise": versions_rise,
    "I12 nothing vanishes": nothing_vanishes,
    "I14 isolated": isolated,
    "I15 clock-free": clock_free,
    "answered": answered,
}


def violations(history: Sequence[Event], final: Final) -> list[tuple[str, str]]:
    """(validator, what is wrong), of all validators."""
    return [(name, wrong) for name, validate in VALIDATORS.items() for wrong in validate(history, final)]


def same_whatever_the_clocks(one: Final, other: Final, *histories: Sequence[Event]) -> Iterator[str]:
    """I15 over two runs of one calm plan with the senders' clocks changed about: the same order, the same state.

    Where a sending was not answered in time, which the plan does not ask for and a busy machine does, it was sent again
    while the first was under way. Then the order of a source's batches is not the plan's; all else is the same still.
    """
    in_order = not any(event.op == PUSH and event.type is Kind.INFO for history in histories for event in history)
    if state_hash(one, in_order=in_order) != state_hash(other, in_order=in_order):
        yield "the same plan with the senders' clocks changed about gives another state"
