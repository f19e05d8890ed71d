"""One validator a promise of the feed, as in validators.py, over what writers wrote and registries were told."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.nemesis.final import Entry, Final
from tests.nemesis.history import Event, Kind

WRITE, FETCH, ACKNOWLEDGE, REPORT = "write", "fetch", "acknowledge", "report"
POSITION, SNAPSHOT, LIE = "position", "snapshot", "lie"

Place = tuple[int, int]  # epoch, feed_seq


def holding_hash(holding: Mapping[str, str | None]) -> str:
    """What a registry holds, subject and content, as one hash."""
    return hashlib.sha256(json.dumps(sorted(holding.items()), ensure_ascii=False).encode()).hexdigest()


def _of(history: Sequence[Event], op: str, *kinds: Kind) -> Iterator[Event]:
    return (event for event in history if event.op == op and event.type in kinds)


def _place(written: Sequence[int]) -> Place:
    return written[0], written[1]


def _common(final: Final, epoch: int) -> int:
    """Up to which place an epoch is what the feed is now."""
    return min((place for later, place in final.feed.begun.items() if later > epoch), default=final.feed.head)


def _row(entry: Entry) -> list[object]:
    return [entry.feed_seq, entry.subject, entry.cause, entry.content]


def complete(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I7, what is there: dense and once, everything that was committed and nothing else."""
    entries = final.feed.entries
    if [entry.feed_seq for entry in entries] != list(range(1, final.feed.head + 1)):
        yield f"the feed does not reach from 1 to {final.feed.head} without a gap"
    if len({entry.change_id for entry in entries}) != len(entries):
        yield "a change has two places in the feed"
    taken_back = {event.key for event in _of(history, WRITE, Kind.FAIL)}
    asked = [event for event in _of(history, WRITE, Kind.INVOKE) if event.key not in taken_back]
    known = {content for event in asked for content in event.value["contents"]}
    for entry in entries:
        if entry.content is not None and entry.content not in known:
            yield f"place {entry.feed_seq} holds what nobody committed"


def ordered(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I7, in which order: a transaction lies together, and after all that was committed before it began."""
    places = {entry.change_id: entry.feed_seq for entry in final.feed.entries}
    before = 0  # the last place of everything that is committed so far
    floor: dict[str, int] = {}
    for event in _of(history, WRITE, Kind.INVOKE, Kind.OK):
        if event.type is Kind.INVOKE:
            floor[event.key] = before
            continue
        ours = [places.get(change_id, 0) for change_id in event.value["change_ids"]]
        if not all(ours):
            yield f"{event.key} was committed and is not in the feed"
            continue
        if sorted(ours) != list(range(min(ours), max(ours) + 1)):
            yield f"{event.key} was one transaction and does not lie together"
        if min(ours) < floor[event.key]:
            yield f"{event.key} lies before what was committed before it began"
        before = max(before, *ours)


def told_as_it_is(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I7, what is told: each page is the feed from its cursor to the next one; asked again it is the same."""
    truth = {entry.feed_seq: _row(entry) for entry in final.feed.entries}
    heads = _transactions(history, final)
    seen: dict[Place, list[object]] = {}
    for event in _of(history, FETCH, Kind.OK):
        (epoch, after), (_, upto) = event.value["after"], event.value["upto"]
        rows = [list(row) for row in event.value["changes"]]
        asked = f"{event.key} after {after} of epoch {epoch}"
        if not after <= upto <= event.value["head"]:
            yield f"{asked}: goes from there to {upto}, and the feed to {event.value['head']}"
        common = _common(final, epoch)
        expected = [truth[place] for place in range(after + 1, min(upto, common) + 1) if place in truth]
        if [row for row in rows if int(str(row[0])) <= common] != expected:
            yield f"{asked}: the page is not the feed up to {upto}"
        for row in rows:
            if seen.setdefault((epoch, int(str(row[0]))), row) != row:
                yield f"{asked}: place {row[0]} was told otherwise before"
        if event.value["head"] in heads:
            yield f"{asked}: the feed ended at {event.value['head']}, within a transaction"


def _transactions(history: Sequence[Event], final: Final) -> set[int]:
    """The places after which a transaction goes on."""
    places = {entry.change_id: entry.feed_seq for entry in final.feed.entries}
    inner: set[int] = set()
    for event in _of(history, WRITE, Kind.OK):
        ours = [places[one] for one in event.value["change_ids"] if one in places]
        inner |= set(range(min(ours, default=0), max(ours, default=0)))
    return inner - {0}


def folded(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I8: a snapshot, and whatever a registry holds after each page, is the feed folded up to that place."""
    hashes, holding = {0: holding_hash({})}, dict[str, str | None]()
    for entry in final.feed.entries:
        if entry.content is None:
            holding.pop(entry.subject, None)
        else:
            holding[entry.subject] = entry.content
        hashes[entry.feed_seq] = holding_hash(holding)
    for op in (SNAPSHOT, FETCH):
        for event in _of(history, op, Kind.OK):
            epoch, upto = event.value["upto"]
            held = event.value.get("holding")  # of a page that was forgotten nothing is held
            if held is not None and upto <= _common(final, epoch) and held != hashes.get(upto):
                yield f"{event.key} holds after its {op} up to {upto} of epoch {epoch} something else than the feed"


def cursors_rise(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I9: a cursor never falls, goes only where the registry said, and lies move nothing; what is not read stays."""
    said: dict[str, set[Place]] = defaultdict(lambda: {(1, 0)})
    certain: dict[str, Place] = {}
    stood: dict[str, Place] = {}
    for event in history:
        if event.op == ACKNOWLEDGE:
            place = _place(event.value["upto"])
            said[event.key].add(place)
            if event.type is Kind.OK:
                certain[event.key] = max(place, certain.get(event.key, (1, 0)))
        elif event.op == POSITION and event.type is Kind.OK:
            place = _place(event.value["acknowledged"])
            yield from _stands(event.key, place, said=said[event.key], at_least=stood.get(event.key, (1, 0)))
            stood[event.key] = max(place, stood.get(event.key, (1, 0)))
        elif event.op == LIE and event.type is Kind.OK:
            yield f"{event.key} told {event.process}'s lie and was believed: {event.value['lie']}"
    for name, place in final.feed.acknowledged.items():
        least = max(certain.get(name, (1, 0)), stood.get(name, (1, 0)))
        yield from _stands(name, (place[0], place[1]), said=said[name], at_least=least)
    unread = min((place for _, place in final.feed.acknowledged.values()), default=0)
    if final.feed.entries and final.feed.entries[0].feed_seq > unread + 1:
        yield f"the feed begins at {final.feed.entries[0].feed_seq}, and {unread} is the last that everybody has read"


def _stands(name: str, place: Place, *, said: set[Place], at_least: Place) -> Iterator[str]:
    if place < at_least:
        yield f"{name} stands at {place} and stood at {at_least}"
    if place not in said:
        yield f"{name} stands at {place}, which it never acknowledged"


def only_granted(history: Sequence[Event], final: Final) -> Iterator[str]:
    """I14 of the feed: a page has the columns that its registry was granted, and no others."""
    for event in _of(history, FETCH, Kind.OK):
        if more := sorted(set(event.value["columns"]) - set(event.value["granted"])):
            yield f"{event.key} was given {', '.join(more)}"
