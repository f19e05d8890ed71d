"""A name is split by a rule that is stated, or not at all."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.steps import NameRule, split_name
from adapters.steps.splitting import SPLIT

Parts = tuple[str | None, str | None, str | None, str | None]


def _split(name: str | None, group: str | None = None) -> Parts:
    row = split_name(pa.array([name], pa.string()), pa.array([group], pa.string())).to_pylist()[0]
    return tuple(row.values())


@pytest.mark.parametrize(
    ("name", "group", "parts"),
    [
        ("Nguyễn Thị Hoà", "01", ("Nguyễn", "Thị", "Hoà", "family-first")),
        ("TRẦN QUỐC TOẢN", "01", ("TRẦN", "QUỐC", "TOẢN", "family-first")),
        ("Nguyễn Phước An", "01", ("Nguyễn", "Phước", "An", "family-first")),
        ("TÔN NỮ THỊ NINH", "01", ("TÔN NỮ", "THỊ", "NINH", "family-first")),
        ("Lê An", "01", ("Lê", None, "An", "family-first")),
        ("Nguyễn Thị Minh Khai", None, ("Nguyễn", "Thị Minh", "Khai", "family-first")),
        ("Giàng A Sử", "08", ("Giàng", "A", "Sử", "family-first")),
        ("Thạch Sô Phia", "05", ("Thạch", "Sô", "Phia", "family-first")),
        ("Bo Bo Văn Sáng", "21", ("Bo Bo", "Văn", "Sáng", "family-first")),
        ("H'Hen Niê", "12", ("Niê", None, "H'Hen", "family-last")),
        ("H’Hen Niê", None, ("Niê", None, "H’Hen", "family-last")),
        ("H' Hen Niê", "12", ("Niê", None, "H' Hen", "family-last")),
        ("Y Wih Niê Kdăm", "12", ("Niê Kdăm", None, "Y Wih", "family-last")),
        ("Y Thông Kbuôr", None, ("Kbuôr", None, "Y Thông", "family-last")),
        ("Y Krang Pang Ting", "20", ("Pang Ting", None, "Y Krang", "family-last")),
        ("Blưh Rơ Châm", "10", ("Rơ Châm", None, "Blưh", "family-last")),
        ("Siu Blưh", "10", ("Siu", None, "Blưh", "family-first")),
        ("K'Brếp", None, (None, None, "K'Brếp", "given-only")),
        ("Ka Brĩm", "16", (None, None, "Ka Brĩm", "given-only")),
        ("H'Hen", "12", (None, None, "H'Hen", "given-only")),
        ("Kdăm", "12", (None, None, "Kdăm", "one-word")),
        ("An", None, (None, None, "An", "one-word")),
        (None, "01", (None, None, None, None)),
    ],
)
def test_name_is_split_by_the_order_of_its_group(name: str | None, group: str | None, parts: Parts) -> None:
    assert _split(name, group) == parts


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("A Lăng Bhưch", "26"),  # a group whose order is not stated
        ("Mdrắk Hlong", None),  # no group, and no surname that is known
        ("Y Ban Thu", None),
        ("Siu Niê", "10"),  # either end may be the family
        ("Nguyễn Văn An (Ba)", "01"),
        ("0912345678", "01"),
        ("a b c d e f g h i", "01"),
    ],
)
def test_what_no_rule_settles_is_declined(name: str, group: str | None) -> None:
    assert _split(name, group) == (None, None, None, "declined")


@settings(max_examples=30)
@given(
    names=st.lists(
        st.one_of(
            st.none(),
            st.text(max_size=20),
            st.lists(
                st.sampled_from(["Nguyễn", "Y", "H'Hen", "Niê", "K'", "A", "Thị", "Ka", "Rơ", "Châm"]), max_size=5
            ).map(" ".join),
        ),
        max_size=6,
    ),
    group=st.sampled_from([None, "01", "08", "10", "12", "16", "20", "26"]),
)
def test_parts_are_words_of_the_name_and_make_it_up(names: list[str | None], group: str | None) -> None:
    column = pa.array(names, pa.string())

    table = split_name(column, pa.array([group] * len(names), pa.string()))

    assert table.schema.equals(SPLIT)
    assert split_name(column[::-1], pa.array([group] * len(names), pa.string())).to_pylist() == table.to_pylist()[::-1]
    for name, row in zip(names, table.to_pylist(), strict=True):
        if name is None:
            assert set(row.values()) == {None}
            continue
        rule = NameRule(row["rule"])
        parts = [row[part] for part in ("family", "middle", "given") if row[part] is not None]
        assert (rule is NameRule.DECLINED) == (not parts)
        if parts:
            assert sorted(" ".join(parts).split(" ")) == sorted(name.split(" "))
