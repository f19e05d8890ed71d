"""What a column holds is what PostgreSQL reads."""

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation.store.arrays import NumbersType, TextsType, numbers, texts

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
_READ_TEXTS = sa.select(sa.bindparam("given", type_=TextsType()))
_READ_NUMBERS = sa.select(sa.bindparam("given", type_=NumbersType()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.one_of(st.none(), _TEXT), max_size=12), cut=st.integers(0, 4))
def test_texts_are_read_as_they_are(engine: sa.Engine, values: list[str | None], cut: int) -> None:
    column = pa.array(values, pa.string()).slice(min(cut, len(values)))

    with engine.connect() as connection:
        read = connection.scalar(_READ_TEXTS, {"given": texts(column)})

    assert read == column.to_pylist()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=12))
def test_numbers_are_read_as_they_are(engine: sa.Engine, values: list[int]) -> None:
    with engine.connect() as connection:
        read = connection.scalar(_READ_NUMBERS, {"given": numbers(np.array(values, np.int64))})

    assert read == values


@pytest.mark.parametrize("parts", [[], [["a"]], [["a", None], [], ["đ", ""]]])
def test_a_column_in_parts_is_one_array(engine: sa.Engine, parts: list[list[str | None]]) -> None:
    column = pa.chunked_array(parts, pa.string())

    with engine.connect() as connection:
        assert connection.scalar(_READ_TEXTS, {"given": texts(column)}) == column.to_pylist()


def test_nulls_count_for_nothing_whatever_lies_under_them(engine: sa.Engine) -> None:
    hidden = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\2"), pa.py_buffer(np.array([0, 3, 4], np.int32)), pa.py_buffer(b"abcd")]
    )

    with engine.connect() as connection:
        assert connection.scalar(_READ_TEXTS, {"given": texts(hidden)}) == [None, "d"]
