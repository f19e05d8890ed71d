"""Parts of a stretch join without a gap, hold each change once and end where they say."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.canonical import RecordKind
from reconciliation.model import Cursor, FeedPage
from reconciliation.paging import bytes_a_place, parted


def page(persons: list[int], households: list[int], *, upto: int) -> FeedPage:
    tables = {
        kind: pa.table({"feed_seq": pa.array(sorted(numbers), pa.int64())})
        for kind, numbers in ((RecordKind.PERSON, persons), (RecordKind.HOUSEHOLD, households))
    }
    return FeedPage(
        tables=tables, upto=Cursor(epoch=1, sequence=upto), head=upto + 5, changes=len(persons) + len(households)
    )


@settings(max_examples=100, deadline=None)
@given(after=st.integers(0, 50), places=st.integers(0, 30), size=st.integers(-1, 40), data=st.data())
def test_parts_join_and_hold_each_change_once(after: int, places: int, size: int, data: st.DataObject) -> None:
    numbers = range(after + 1, after + places + 1)
    kinds = data.draw(
        st.lists(st.sampled_from(["person", "household", "not granted"]), min_size=places, max_size=places)
    )
    persons, households = (
        [number for number, kind in zip(numbers, kinds, strict=True) if kind == wanted]
        for wanted in ("person", "household")
    )
    whole = page(persons, households, upto=after + places)

    parts = list(parted(whole, after=after, size=size))

    place, seen = after, 0
    for part in parts:
        own = {kind: table["feed_seq"].to_pylist() for kind, table in part.tables.items()}
        assert all(place < number <= part.upto.sequence for numbers in own.values() for number in numbers)
        assert part.changes == sum(map(len, own.values()))
        assert part.upto.sequence - place <= max(1, size)
        assert (part.head, part.upto.epoch) == (whole.head, 1)
        place, seen = part.upto.sequence, seen + part.changes
    assert (place, seen) == (after + places, whole.changes)


def test_a_place_weighs_what_its_changes_weigh_and_nothing_weighs_nothing() -> None:
    assert bytes_a_place(page([1, 2], [], upto=4), after=0) == 2 * 8 / 4
    assert bytes_a_place(page([], [], upto=4), after=4) == 0.0
