"""Whatever stands in some cells of a good batch: nothing is lost, nothing but a refusal raised, nothing unexplained."""

import unicodedata
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.declaration import Charset, ColumnMapping
from adapters.findings import Severity
from adapters.normalise import Normalised
from adapters.simulator.writers import write
from adapters.steps.lists import code_list
from tests.bad_input.spoiling import (
    dialect_of,
    each_dialect,
    good,
    is_writable,
    key_of,
    normalised_file,
    sent,
    with_cell,
)

NASTY = (
    *("31/02/1980", "1900-02-29", "infinity", "0001-01-01", "2099-01-01", "1950", "00/00/1950", "45839", "20250230"),
    *(
        "68085000301",
        "0680850003010",
        "999999999999",
        "1012345678",
        "63012345",
        "TE1202020893987",
        "te 120 202 0893987",
    ),
    *("24778", "672", "4", "000", "Nam", "56", "chủ hộ", "BHYT", "5000", "32768", "-1", "1e5", "0x1F", "1.0", "007"),
    *("=1+1", "+84", "@x", "a\tb", "a,b;c", '"', "'", "\\", "<b>&amp;</b>", "]]>", "{}", "null", "NaN", "true"),
    *(
        "Nguye\u0302\u0303n",
        "\u00d0an",
        "NGUYễN",
        "NguyÔn",
        "Nguyeãn",
        "\u0410n",
        "ﬁ",
        "\u0130",
        "ß",
        "①",
        "\u1ea1\u0300",
    ),
    *(
        "A\u202en",
        "\u200b",
        "\u00a0",
        "\ufeff",
        " a  b ",
        "\r\n",
        "a\nb",
        "\0",
        "\x7f",
        "\x1f",
        "\x85",
        "\u2028",
        "\uffff",
    ),
    *("x" * 4001, "ễ" * 1400, "\U0001f468\u200d\U0001f469", "\U00020000", "٠١٢٣٤٥٦٧٨٩٠١", "０６８０８５０００３０１"),
)
_CELL = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))


@each_dialect
def test_every_nasty_cell_in_every_column_is_accounted_for(name: str) -> None:
    """One bad cell a record, in the dialect's own file."""
    plain, key = good(name).slice(0, 1), key_of(name)
    cells = [
        (column, value)
        for column in plain.column_names
        for value in NASTY
        if is_writable(with_cell(plain, column, value=value, row=0), name)
    ]
    (record,) = plain.to_pylist()
    records = [record | {key: f"K{number}"} | {column: value} for number, (column, value) in enumerate(cells)]
    spoilt = pa.Table.from_pylist(records, schema=plain.schema)

    result = normalised_file(write(spoilt, dialect_of(name)), name)

    _check_accounted_for(result, name, records)


@each_dialect
@settings(max_examples=20)
@given(data=st.data())
def test_no_cell_is_lost_or_changed_unexplained(name: str, data: st.DataObject) -> None:
    spoilt = good(name)
    columns = st.lists(st.sampled_from(spoilt.column_names), min_size=1, max_size=4, unique=True)
    for column in data.draw(columns):
        spoilt = with_cell(spoilt, column, value=data.draw(_CELL))

    result = sent(spoilt, name)

    _check_accounted_for(result, name, spoilt.to_pylist())


def _check_accounted_for(result: Normalised, name: str, cells: list[dict[str, Any]]) -> None:
    rows = [*result.table["row"].to_pylist(), *result.quarantined["row"].to_pylist()]
    assert sorted(rows) == list(range(len(cells)))
    assert result.received == len(cells)
    errors = {one["row"] for one in result.findings.to_pylist() if one["severity"] == Severity.ERROR}
    assert errors == set(result.quarantined["row"].to_pylist())
    assert _unexplained(result, name, cells) == []


def _unexplained(result: Normalised, name: str, cells: list[dict[str, Any]]) -> list[Any]:
    findings = result.findings.to_pylist()
    said = {(one["row"], one["column"]) for one in findings}
    unexplained = []
    for row in result.table.to_pylist():
        for mapping in dialect_of(name).mappings:
            if (row["row"], mapping.name) in said or (row["row"], None) in said or (-1, mapping.name) in said:
                continue
            got = [row[target] for target in mapping.targets if target != "source_version"]
            cell = " ".join(filter(None, ((cells[row["row"]][one] or "").strip() for one in mapping.sources)))
            if dialect_of(name).file.is_decomposed:
                cell = unicodedata.normalize("NFD", cell)  # as its writer wrote it
            if not _is_explained(mapping, cell, got, charset=dialect_of(name).file.charset):
                unexplained.append((mapping.name, mapping.steps, cell[:40], got))
    return unexplained


def _is_explained(mapping: ColumnMapping, cell: str, got: list[Any], *, charset: Charset) -> bool:
    """Whether a step's documented meaning makes `got` of a cell with nothing said."""
    last = mapping.steps[-1]
    due: list[Any] = [cell.replace(" ", "").upper() if last == "health_card" else cell]
    if not cell or (last == "integer" and cell == "null"):  # the writer of JSON puts numbers in bare
        due = [None] * len(got)
    elif last == "listed":
        return got != [None] or None in code_list(mapping.code_list or "").values()
    elif last in {"partial_date", "day", "moment"}:
        return got[0] is not None
    elif last == "identity_number":
        return cell in got
    elif last == "integer":
        due = [int(cell)]
    elif last == "monthly_amount":
        due = [int("".join(filter(str.isdecimal, cell)))]
    elif charset is Charset.TCVN3:  # the bytes of its capitals are those of small letters
        return [str(one).casefold() for one in got] == [due[0].casefold()]
    return got == due
