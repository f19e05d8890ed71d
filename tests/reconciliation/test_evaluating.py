"""Conditions say without an engine what they say in SQL, null for null, and unknown words are refused."""

from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.evaluating import Column, FatalConditionError, conditions, damerau_levenshtein

CONDITIONS = [
    "l.a = r.a",
    "l.a <> r.a or l.b = r.b",
    "l.a <= r.b and not (l.b = r.a and r.t = l.t)",
    "coalesce(l.a = r.a, l.b > 1, true)",
    "coalesce(l.a <> r.a, false) and l.t is not null",
    "greatest(coalesce(l.a, 0), r.b) between 1 and 2",
    "(l.a = r.a)::integer + coalesce(l.b = r.b, false)::integer = 1",
    "abs(l.a - r.b) < 2 or l.t is null",
    "damerau_levenshtein(l.t, r.t) <= 1 and (l.a = 1 or r.a = 1)",
    "list_has_all(l.w, r.w) or least(l.a, r.b) = 0",
    "true",
]
_number, _text = st.none() | st.integers(0, 3), st.none() | st.text("abđ", max_size=3)
_side = st.tuples(_number, _number, _text, st.none() | st.lists(st.sampled_from("ab"), max_size=2))
TYPES = ("INTEGER", "INTEGER", "VARCHAR", "VARCHAR[]")


def column(values: list[Any]) -> Column:
    held = np.empty(len(values), object)
    kind = next((type(value) for value in values if value is not None), int)
    for at, value in enumerate(values):
        held[at] = kind() if value is None else value
    return Column(held.astype(np.int64) if kind is int else held, np.array([value is not None for value in values]))


@given(pairs=st.lists(st.tuples(_side, _side), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_condition_says_what_its_sql_says(pairs):
    columns = {
        (table, name): column([pair[side][place] for pair in pairs])
        for side, table in enumerate("lr")
        for place, name in enumerate("abtw")
    }
    with duckdb.connect() as connection:
        found = [one.holds(columns, np.arange(len(pairs))).tolist() for one in conditions(connection, CONDITIONS)]
        fields = ", ".join(f"{name} {kind}" for name, kind in zip("abtw", TYPES, strict=True))
        for table in "lr":
            connection.execute(f"create table {table} (n integer, {fields})")
        for n, pair in enumerate(pairs):
            for side, table in enumerate("lr"):
                connection.execute(f"insert into {table} values (?, ?, ?, ?, ?)", [n, *pair[side]])
        said = ", ".join(f"coalesce({text}, false)" for text in CONDITIONS)
        rows = connection.execute(f"select {said} from l join r using (n) order by n").fetchall()

    assert found == [[row[place] for row in rows] for place in range(len(CONDITIONS))]


@given(one=st.text("abcđ", max_size=6), other=st.text("abcđ", max_size=6))
@settings(max_examples=60, deadline=None)
def test_letters_apart_are_counted_as_the_engine_counts_them(one, other):
    counted = duckdb.execute("select damerau_levenshtein(?, ?)", [one, other]).fetchall()[0][0]

    assert damerau_levenshtein(one, other) == counted


@pytest.mark.parametrize("text", ["soundex(l.a) = 1", "l.a::date = r.a", "l.a like r.a", "l.a in (select 1)", "l.a = "])
def test_an_unknown_word_is_refused_before_any_record_is(text):
    with duckdb.connect() as connection, pytest.raises(FatalConditionError, match="Next:"):
        conditions(connection, [text])
