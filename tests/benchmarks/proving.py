"""That columns and records say the same: rows, findings and quarantine, on rows with awkward values put in."""

from collections.abc import Iterator
from datetime import date
from itertools import count

import numpy as np
import pyarrow as pa

from adapters import simulator
from adapters.canonical import RELATIVES
from adapters.catalogue import Source, load
from adapters.normalise import Normalised, normalise_file, normalise_rows
from adapters.readers import read
from adapters.simulator.rendering import render
from gateway.typed import as_typed
from tests.benchmarks import per_record

SOURCE = "lao-cai.population"
_PROVINCE, _RECORDS = "15", 40_000
_SHARE = 0.02  # of the cells of every column
_WITH_RELATIVES, _TYPED_RECORDS = "thai-nguyen.population", 3_000
_OF_RELATIVES = tuple(field.name for field in RELATIVES)
_AWKWARD = (
    *(
        "",
        " ",
        "\u200b",
        "  An  ",
        "An\u00a0Bình",
        "01",
        "007",
        "0",
        "A\tB",
        "A\x0bB",
        "x\0y",
        "An\u202e",
        "\ufeffAn",
        "a\u0301n",
        "H’Hen",
    ),
    *(
        "Nguyễn Thi\u0323 Hoa",
        "NGUYễN THị HOà",
        "Ðặng ðan",
        "NguyÔn V¨n B×nh",
        "LÃª",
        "Nguyeãn Vaên Ñöùc",
        "TRAÀN",
        "Noël",
        "\u0410n Bình",
        "Tổ 5",
        "ÔNG Ở",
    ),
    *("\uff21n", "K'Brếp", "H´Linh", "x" * 4001, "ế" * 1400, "🙂", "=1+1", "00/00/1950", "00/05/1950", "31/02/1980"),
    *("29/02/1900", "29/02/2000", "1/5/1985", "1950", "1/8/86", "31/12/30", "15/00/1980", "01/01/0001", "01/01/2101"),
    *("31/12/2029", "infinity", "12/05/1985 8:30", "12/05/1985 24:00", "12/05/1985 23:59", "1e5", "١٢٣٤٥"),
    *("001085000401", "1085000401", "10085000107", "99085000107", "097085000301", "0010850004011", "063012345"),
    *("63012345", "993012345", "1012345678", "12345678", "123456789", "080", "4", "026470", "VN", "Nam", "NỮ", "nu"),
    *("Không rõ", "56", "1", "01", "CHỦ  HỘ", "cha chồng", "bác", "MA_NK", "NK1", "12 345"),
)


def prove(rows: int, *, seed: int) -> int:
    """Compares both on at least `rows` rows; how many they were. Raises AssertionError at the first difference."""
    source, done = load().sources[SOURCE], 0
    for number in count(seed):
        for raw, exported_on in _batches(number, source):
            columnar = normalise_rows(raw, source=source, exported_on=exported_on)
            plain = per_record.normalise_records(iter(raw.to_pylist()), source=source, exported_on=exported_on)
            assert_equal(columnar, plain)
            done += columnar.received
            if done >= rows:
                return done
    raise AssertionError("unreachable: seeds do not end")


def prove_files(*, seed: int) -> int:
    """Compares both on whole files as they are sent, with the bytes of what is held back."""
    source, done = load().sources[SOURCE], 0
    for file in _files(seed):
        columnar = normalise_file(file.payload, source=source, exported_on=file.exported_on)
        plain = per_record.normalise_payload(file.payload, source=source, exported_on=file.exported_on)
        assert_equal(columnar, plain)
        done += columnar.received
    return done


def prove_relatives(*, seed: int) -> int:
    """Compares both on typed records that name relatives, who may be anybody: of that record, or nobody."""
    source = as_typed(load().sources[_WITH_RELATIVES])
    country = simulator.simulate(seed, _TYPED_RECORDS, [source.province_code])
    rng, done = np.random.default_rng(seed), 0
    for held in country.systems[_WITH_RELATIVES].phases.values():
        raw = render(held, source)
        numbers = [name for name in raw.column_names if name.endswith("_number") and name in _OF_RELATIVES]
        for name in _OF_RELATIVES:
            values = np.array(raw[name].to_pylist(), object)
            chosen = rng.random(len(values)) < _SHARE
            values[chosen] = rng.choice(np.array([*_AWKWARD, None], object), chosen.sum())
            for other in ["personal_number", *numbers] if name in numbers else []:
                same = rng.random(len(values)) < _SHARE
                values[same] = np.array(raw[other].to_pylist(), object)[same]
            raw = raw.set_column(raw.column_names.index(name), name, pa.array(values, pa.string()))
        exported_on = held["exported_on"][0].as_py()
        columnar = normalise_rows(raw, source=source, exported_on=exported_on)
        assert_equal(
            columnar, per_record.normalise_records(iter(raw.to_pylist()), source=source, exported_on=exported_on)
        )
        done += columnar.received
    return done


def assert_equal(columnar: Normalised, plain: per_record.Result) -> None:
    """Raises AssertionError unless the same rows, findings and quarantine come out; order within a row may differ."""
    names = columnar.table.column_names
    assert columnar.table.to_pylist() == [{name: row.get(name) for name in names} for row in plain.rows]
    found = [tuple(row.values()) for row in columnar.findings.to_pylist()]
    assert sorted(found, key=repr) == sorted(plain.findings, key=repr)
    held = [
        (row["row"], row["source_record_id"], sorted(row["codes"]), row["raw"])
        for row in columnar.quarantined.to_pylist()
    ]
    assert held == plain.quarantined


def _files(seed: int) -> Iterator[simulator.ExportFile]:
    country = simulator.simulate(seed, _RECORDS, [_PROVINCE], records_per_file=10_000)
    for phase in simulator.Phase:
        yield from simulator.exports(country, phase=phase, source_id=SOURCE)


def _batches(seed: int, source: Source) -> Iterator[tuple[pa.Table, date]]:
    """The files' own columns, some cells of each replaced by something awkward."""
    rng = np.random.default_rng(seed)
    awkward = np.array([*_AWKWARD, None], object)
    for file in _files(seed):
        raw = read(file.payload, source.dialect, source_id=SOURCE).table
        columns = []
        for column in raw.columns:
            values = np.array(column.to_pylist(), object)
            chosen = rng.random(len(values)) < _SHARE
            values[chosen] = rng.choice(awkward, chosen.sum())
            columns.append(pa.array(values, pa.string()))
        yield pa.table(columns, schema=raw.schema), file.exported_on
