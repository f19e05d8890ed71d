"""Every picture: as it was looked at once, well-formed whatever it is told, and saying all that it shows."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.catalogue import load
from gateway.console.pictures.ageing import Pile, ageing
from gateway.console.pictures.drawing import share, shortened, wrapped
from gateway.console.pictures.flow import MOST_RIBBONS, Ribbon, flow
from gateway.console.pictures.tiles import COLUMNS, PLACES, Tile, band_of, tiles
from gateway.console.pictures.trends import Line, trends
from gateway.console.pictures.waterfall import Mark, Step, waterfall
from reconciliation.conflicts import CATALOGUE
from reconciliation.numerals import ENGLISH, VIETNAMESE
from tests.gateway.console.pictures.drawn import HOSTILE, SVG, described, texts, well_formed
from tests.golden import Golden

GOLDEN = Path(__file__).parent / "golden"
few = settings(max_examples=25)
LABELS = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE))
BANDS = ("đến 1 ngày", "2–5 ngày", "6–10 ngày", "trên 10 ngày")

PICTURES = {
    "waterfall": waterfall(
        "w",
        [
            Step("số định danh bằng nhau", 9.0),
            Step("họ tên giống, bỏ dấu", 4.2),
            Step("ngày sinh khác năm", -3.1),
        ],
        title="Vì sao hai hồ sơ được so",
        total="Tổng",
        marks=[Mark("ghép từ", 12.0)],
    ),
    "ageing": ageing(
        "a",
        [Pile("Trùng số định danh", (20, 4, 2, 9)), Pile("Xã cũ bị chia", (3, 0, 0, 0)), Pile("Trống", (0, 0, 0, 0))],
        title="Hồ sơ chờ bao lâu",
        bands=BANDS,
    ),
    "flow": flow(
        "f",
        [
            Ribbon("00001", "Phường Phúc Xá 00001", "00004", "Phường Ba Đình 00004", False, "toàn bộ"),
            Ribbon("00004", "Phường Trúc Bạch 00004", "00004", "Phường Ba Đình 00004", True, "một phần"),
            Ribbon("00004", "Phường Trúc Bạch 00004", "00091", "Phường Hồng Hà 00091", True, "một phần"),
        ],
        title="Đơn vị cũ thành đơn vị mới",
        before="đến 30/06/2025",
        after="từ 01/07/2025",
    ),
    "trends": trends(
        "t",
        [
            Line("đúng", (90, 91, None, 95), most=100, unit=" %"),
            Line("quá hạn", (3, None, 2, None), kind="bad"),
        ],
        title="Diễn biến",
        ticks=("W44", "W45", "W46", "W47"),
    ),
    "tiles": tiles(
        "m",
        [
            Tile(code, province.name, None if code == "01" else place / 330, f"{place}/330")
            for place, (code, province) in enumerate(load().provinces.items())
        ],
        title="Phần quá hạn theo tỉnh",
        nothing="chưa có",
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_it_was_looked_at(golden: Golden, name: str) -> None:
    well_formed(PICTURES[name])

    golden.check(GOLDEN / f"{name}.svg", PICTURES[name] + "\n")


@few
@given(st.lists(st.builds(Step, LABELS, st.floats(-40, 40)), max_size=12), LABELS, st.floats(-40, 40))
def test_a_waterfall_ends_at_the_sum_of_its_steps(steps: list[Step], said: str, at: float) -> None:
    root = well_formed(waterfall("w", steps, title="t", total="Tổng", marks=[Mark(said, at)]))

    assert texts(root)[-1] == VIETNAMESE.signed(sum(step.weight for step in steps))
    bars = list(root.iter(f"{SVG}rect"))
    kinds = ["picture-minus" if step.weight < 0 else "picture-plus" for step in steps]
    assert [one.attrib["class"] for one in bars] == [*kinds, "picture-total"]
    assert described(root).count(": ") >= len(steps) + 1


@few
@given(st.lists(st.builds(Pile, LABELS, st.tuples(*[st.integers(0, 10**7)] * 4)), max_size=8))
def test_a_pile_is_as_long_as_all_its_items_and_says_their_number(piles: list[Pile]) -> None:
    root = well_formed(ageing("a", piles, title="t", bands=BANDS))

    beside = [one.text for one in root.iter(f"{SVG}text") if one.attrib["text-anchor"] == "start"]
    totals = beside[len(BANDS) :]
    assert totals == [VIETNAMESE.count(pile.total) for pile in piles]
    drawn = sum(float(one.attrib["width"]) for one in root.iter(f"{SVG}rect") if len(one))
    most = max([pile.total for pile in piles] + [1])
    assert drawn == pytest.approx(sum(pile.total for pile in piles) * 426 / most, abs=0.06 * 4 * (len(piles) + 1))


RIBBONS = st.builds(Ribbon, st.sampled_from("abcd"), LABELS, st.sampled_from("wxyz"), LABELS, st.booleans(), LABELS)


@few
@given(st.lists(RIBBONS, min_size=1, max_size=20))
def test_every_pair_has_its_ribbon_and_every_unit_its_node(ribbons: list[Ribbon]) -> None:
    root = well_formed(flow("f", ribbons, title="t", before="cũ", after="mới"))

    kinds = Counter(one.attrib["class"] for one in root.iter(f"{SVG}path"))
    assert kinds["picture-part"] == sum(one.is_part for one in ribbons)
    assert kinds.total() == len(ribbons)
    nodes = list(root.iter(f"{SVG}rect"))
    assert len(nodes) == len({one.from_key for one in ribbons}) + len({one.to_key for one in ribbons})
    assert sum(float(one.attrib["height"]) for one in nodes) == pytest.approx(2 * 22 * len(ribbons))


def test_a_flow_of_too_many_pairs_says_how_many_it_leaves_out() -> None:
    many = [Ribbon(str(n), f"cũ {n}", "m", "mới", False, "toàn bộ") for n in range(MOST_RIBBONS + 7)]

    root = well_formed(flow("f", many, title="t", before="cũ", after="mới"))

    assert len(list(root.iter(f"{SVG}path"))) == MOST_RIBBONS
    assert described(root).endswith("+7")


@few
@given(st.lists(st.tuples(LABELS, st.lists(st.none() | st.integers(0, 10**9), min_size=5, max_size=5)), max_size=5))
def test_a_gap_is_no_zero_and_the_last_known_value_is_told(figures: list[tuple[str, list[int | None]]]) -> None:
    lines = [Line(label, tuple(values)) for label, values in figures]

    root = well_formed(trends("t", lines, title="t", ticks=tuple("12345")))

    known = [[value for value in line.values if value is not None] for line in lines]
    assert [text.split(" ")[0] for text in texts(root)[5:]] == [
        VIETNAMESE.count(values[-1]) for values in known if values
    ]
    drawn = sum(len(one.attrib["points"].split()) for one in root.iter(f"{SVG}polyline"))
    lone = sum(float(one.attrib["r"]) == 2 for one in root.iter(f"{SVG}circle"))
    assert drawn + lone == sum(map(len, known))


def test_every_province_has_a_tile_of_its_own() -> None:
    assert set(PLACES) == set(load().provinces)
    assert len(set(PLACES.values())) == 34
    assert all(0 <= column < COLUMNS for column, _ in PLACES.values())


@few
@given(st.lists(st.tuples(st.sampled_from(sorted(load().provinces)) | st.text("0189", min_size=2, max_size=3), LABELS,
    st.none() | st.floats(0, 1)), max_size=40, unique_by=lambda one: one[0]))  # fmt: skip
def test_no_province_is_left_out_of_the_map(provinces: list[tuple[str, str, float | None]]) -> None:
    shown = [Tile(code, name, part, "2 / 3") for code, name, part in provinces]

    root = well_formed(tiles("m", shown, title="t", nothing="chưa có"))

    tops = [one for one in root.iter(f"{SVG}rect") if len(one)]
    assert len({(one.attrib["x"], one.attrib["y"]) for one in tops}) == len(shown)
    numbers = texts(root)[6:][1::2]
    assert numbers == ["chưa có" if one.share is None else share(one.share) for one in shown]


@few
@given(st.floats(0, 1))
def test_a_share_never_says_none_or_all_of_what_is_not(part: float) -> None:
    assert (share(part) == "0 %") == (part == 0)
    assert (share(part) == "100 %") == (part == 1)
    assert 0 <= band_of(part) <= 4


@few
@given(st.text(min_size=1), st.floats(1, 500), st.floats(8, 20))
def test_a_text_is_cut_to_its_room(text: str, room: float, size: float) -> None:
    cut = shortened(text, room=room, size=size)

    assert cut == text or (len(cut) <= max(1, room / (size * 0.6)) and cut.endswith("…"))


@few
@given(st.text(max_size=90), st.floats(20, 300))
def test_a_text_takes_two_lines_at_most_and_none_is_wider_than_its_room(text: str, room: float) -> None:
    lines = wrapped(text, room=room, size=12)

    assert 1 <= len(lines) <= 2
    assert all(len(line) <= max(1, int(room / 7.2)) for line in lines)
    if len(lines) == 1:
        assert lines == (text,)


def test_every_kind_of_case_is_called_by_its_whole_name_in_the_picture_of_ages() -> None:
    for said in CATALOGUE.values():
        for name in (said.name_vi, said.name_en):
            drawn = well_formed(ageing("a", [Pile(name, (1, 2, 0, 0))], title="t", bands=BANDS))

            assert name in " ".join(texts(drawn))


def test_an_english_picture_writes_numbers_the_english_way() -> None:
    drawn = [
        ageing("a", [Pile("old", (1234, 0, 0, 0))], title="t", bands=BANDS, numerals=ENGLISH),
        trends("t", [Line("stuck", (None, 5678))], title="t", ticks="12", numerals=ENGLISH),
        waterfall("w", [Step("name", 9.5)], title="t", total="sum", marks=[Mark("from", -3.5)], numerals=ENGLISH),
        tiles("m", [], title="t", nothing="-", numerals=ENGLISH),
    ]

    said = {word for one in drawn for text in texts(well_formed(one)) for word in text.split()}

    assert {"1,234", "5,678", "+9.5", "−3.5", "0.1"} <= said
    assert not {word for word in said if word.replace(".", ",") in {"1,234", "5,678"} and "." in word}
    assert "1,234" in described(well_formed(drawn[0]))
