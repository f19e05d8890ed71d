"""Units of the feed in the codes of an earlier list: one where the law left one, else none and the candidates."""

from datetime import date

import pyarrow as pa

from adapters.canonical import RecordKind
from reconciliation.model import Cursor, FeedPage
from reconciliation.projecting import with_former_units

UNTIL_MERGER = date(2025, 6, 30)
OF_SEVERAL, OF_ONE = "00004", "00952"  # Phường Ba Đình, and Xã Cao Bồ, which the merger left as it was


def page(**columns: list[str | None]) -> FeedPage:
    place = Cursor(epoch=1, sequence=1)
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return FeedPage(tables={RecordKind.PERSON: table}, upto=place, head=1, changes=table.num_rows)


def test_unit_of_one_former_unit_is_said_exactly() -> None:
    row = with_former_units(page(unit_code=[OF_ONE]), on=UNTIL_MERGER).tables[RecordKind.PERSON].to_pylist()[0]

    assert row["former_unit_is_exact"]
    assert row["former_unit_candidates"] == [row["former_unit_code"]]


def test_unit_of_several_is_not_picked_but_listed() -> None:
    row = with_former_units(page(unit_code=[OF_SEVERAL]), on=UNTIL_MERGER).tables[RecordKind.PERSON].to_pylist()[0]

    assert not row["former_unit_is_exact"]
    assert row["former_unit_code"] is None
    assert len(row["former_unit_candidates"]) > 1


def test_previous_unit_is_said_too_and_a_page_without_units_stays_as_it_is() -> None:
    with_previous = with_former_units(page(unit_code=[OF_ONE], previous_unit_code=[None]), on=UNTIL_MERGER)
    without = page(full_name=["x"])

    row = with_previous.tables[RecordKind.PERSON].to_pylist()[0]
    assert (row["previous_former_unit_code"], row["previous_former_unit_is_exact"]) == (None, False)
    assert with_former_units(without, on=UNTIL_MERGER) == without
