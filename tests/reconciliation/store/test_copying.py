"""What goes in by COPY comes out by COPY: every type, nulls and empty strings apart, whatever the text."""

import datetime
import math
import random
import struct

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation.store import copying, tables

every_server = pytest.mark.every_server

AWKWARD = [
    "",
    " ",
    '"',
    "''",
    ",",
    "\\",
    "\\N",
    "\\.",
    "%",
    "%%s",
    "%(x)s",
    "\r\n",
    "\n",
    "\t",
    "NULL",
    "null",
    "t",
    ":x",
]

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [*AWKWARD, "Lò Thị Mẩy", "Lo\u0300 Thi\u0323", "𠀀 字", "\u202e\u200b", "=HYPERLINK(1)"]
)
COLUMNS = {
    "text": (pa.string(), texts),
    "yes": (pa.bool_(), st.booleans()),
    "tiny": (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    "small": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "medium": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "large": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "weight": (pa.float64(), st.floats(allow_nan=False) | st.just(math.nan)),
    "day": (pa.date32(), st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31))),
}
WRITE_ONLY = {
    "raw": (pa.binary(), st.binary(max_size=20)),
    "codes": (pa.list_(pa.string()), st.lists(st.none() | texts, max_size=3)),
}


def a_table(columns: dict[str, tuple[pa.DataType, st.SearchStrategy[object]]]) -> st.SearchStrategy[pa.Table]:
    """Tables with a column of each type, all nullable, sometimes a slice of more or in several chunks."""
    schema = pa.schema([pa.field("n", pa.int32()), *(pa.field(name, kind) for name, (kind, _) in columns.items())])
    row = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in columns.items()})

    def build(drawn: list[dict[str, object]], skip: int, cut: int) -> pa.Table:
        whole = pa.Table.from_pylist([{"n": n} | one for n, one in enumerate(drawn)], schema=schema)
        return pa.concat_tables([whole.slice(skip, cut), whole.slice(skip + cut)])

    return st.builds(build, st.lists(row, max_size=8), st.integers(0, 2), st.integers(0, 4))


def exact(table: pa.Table) -> list[list[object]]:
    """The values, with floats as their bits: NaN is itself, and -0.0 is not 0.0."""
    return [
        [struct.pack("d", value) if isinstance(value, float) else value for value in column.to_pylist()]
        for column in table.columns
    ]


@every_server
@given(rows=a_table(COLUMNS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_type_comes_back_as_it_went(engine, rows):
    with engine.connect() as connection:
        staged = copying.staged(connection, "staged", rows)
        query = sa.select(*(staged.c[name] for name in rows.column_names)).order_by(staged.c.n)

        back = copying.copy_out(connection, query, rows.schema)

    assert back.schema == rows.schema
    assert exact(back) == exact(rows)


@every_server
@given(rows=a_table(WRITE_ONLY))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_bytes_and_lists_arrive_as_they_were_sent(engine, rows):
    with engine.connect() as connection:
        staged = copying.staged(connection, "staged", rows)

        stored = connection.execute(sa.select(staged).order_by(staged.c.n)).all()

    assert [tuple(row) for row in stored] == [tuple(row.values()) for row in rows.to_pylist()]


@every_server
@given(said=texts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_in_a_query_is_only_a_value(engine, said):
    rows = pa.table({"text": pa.array([said, said + "!", None], pa.string())})
    with engine.connect() as connection:
        staged = copying.staged(connection, "staged", rows)
        same = sa.select(staged.c.text, sa.literal(said).label("said")).where(
            sa.or_(staged.c.text == said, staged.c.text.in_([said, "no such text"]))
        )

        found = copying.copy_out(connection, same, pa.schema([("text", pa.string()), ("said", pa.string())]))

    assert found.to_pylist() == [{"text": said, "said": said}]


def test_a_lone_column_keeps_its_nulls(engine):
    with engine.connect() as connection:
        for name, (kind, _) in COLUMNS.items():
            rows = pa.table({name: pa.array([None, None], kind)})
            staged = copying.staged(connection, f"staged_{name}", rows)

            assert copying.copy_out(connection, sa.select(staged), rows.schema) == rows


def test_a_lone_text_column_tells_null_from_empty(engine):
    rows = pa.table({"text": ["", None, "\n", None, ""]})
    with engine.connect() as connection:
        staged = copying.staged(connection, "staged", rows)

        assert copying.copy_out(connection, sa.select(staged), rows.schema) == rows


def test_no_rows_are_an_empty_table_of_the_schema(engine):
    empty = pa.schema([("text", pa.string()), ("n", pa.int64())]).empty_table()
    with engine.connect() as connection:
        staged = copying.staged(connection, "staged", empty)

        assert copying.copy_out(connection, sa.select(staged), empty.schema) == empty


@every_server
def test_a_batch_larger_than_any_buffer_comes_back_whole(engine, dice: random.Random):
    pieces = ['"', "\n", "Nguyễn ", ",", "\\", "ẩ" * 500]
    rows = pa.table(
        {
            "n": pa.array(range(10_000), pa.int32()),
            "text": pa.array(["".join(dice.choices(pieces, k=8)) for _ in range(10_000)], pa.string()),
        }
    )
    assert rows.nbytes > 1 << 24  # the reader's block
    with engine.connect() as connection:
        staged = copying.staged(connection, "staged", rows)

        back = copying.copy_out(connection, sa.select(staged).order_by(staged.c.n), rows.schema)

    assert back.equals(rows)


@pytest.mark.parametrize(("part_bytes", "counts"), [(1, {500}), (500, range(2, 50)), (1 << 20, {1})])
def test_parts_are_the_whole_in_its_order_and_may_be_left_in_the_middle(engine, part_bytes: int, counts):
    rows = pa.table({"n": pa.array(range(500), pa.int32()), "text": pa.array(["ẩ\n"] * 500, pa.string())})
    with engine.connect() as connection:
        query = sa.select(staged := copying.staged(connection, "staged", rows)).order_by(staged.c.n)

        parts = list(copying.copy_out_in_parts(connection, query, rows.schema, part_bytes=part_bytes))
        left = copying.copy_out_in_parts(connection, query, rows.schema, part_bytes=part_bytes)
        first = next(left)
        left.close()

        assert pa.concat_tables(parts).equals(rows)
        assert first.equals(parts[0])
        assert len(parts) in counts
        assert all(part.num_rows for part in parts)
        assert copying.copy_out(connection, query, rows.schema).equals(rows)  # the line is as good as before


def test_what_goes_wrong_while_rows_come_is_told(engine):
    query = sa.select((1 / (100_000 - sa.func.generate_series(1, 100_000))).label("n"))
    schema = pa.schema([("n", pa.int64())])
    with engine.connect() as connection, pytest.raises(psycopg.errors.DivisionByZero):
        copying.copy_out(connection, query, schema)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_a_name_that_is_a_keyword_or_worse_is_quoted(engine):
    rows = pa.table({"order": ["a"], 'with "quotes" and, more': ["b"]})
    with engine.connect() as connection:
        staged = copying.staged(connection, 'a "table"; DROP', rows)

        assert copying.copy_out(connection, sa.select(staged), rows.schema) == rows


def test_text_the_database_cannot_hold_is_refused_and_nothing_remains(engine):
    rows = pa.table({"record_key": ["A", "B\0"], "subject_id": ["1", "2"], "province_code": ["15", "15"]})

    with pytest.raises(psycopg.DataError), engine.begin() as connection:
        copying.copy_in(connection, tables.cluster_member, rows)

    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.cluster_member)) == 0


def test_reserved_numbers_rise_and_are_nobody_elses(engine):
    with engine.connect() as one, engine.connect() as other:
        first, between, then = (
            copying.reserve(connection, tables.change_id_sequence, count)
            for connection, count in ((one, 100), (other, 1), (one, 50))
        )
        none = copying.reserve(one, tables.change_id_sequence, 0)

    assert list(none) == []
    assert [*first, *between, *then] == sorted({*first, *between, *then})
    assert [len(first), len(between), len(then)] == [100, 1, 50]
