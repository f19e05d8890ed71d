"""Doing less work gives the same: on distinct values, or on the rows that need a step."""

from datetime import date

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.findings import Flag
from adapters.steps import STEPS, Context, Stepped
from adapters.steps.fewer import on_rows, run_steps

CONTEXT = Context(date(2025, 7, 15), styles=("dd/mm/yyyy", "yyyy"))
_WORDS = [None, "", " An", "A  B", "An\u200b", "Tha\u0301i", "1950", "31/02/1980", "12/05/1985", "Ðan", "NguyÔn"]


def _said(flags: tuple[Flag, ...]) -> dict[str, list[tuple[int, str | None]]]:
    said: dict[str, list[tuple[int, str | None]]] = {}
    for one in flags:
        said.setdefault(one.code, []).extend(zip(one.rows.tolist(), one.seen.to_pylist(), strict=True))
    return {code: sorted(rows) for code, rows in said.items()}


@settings(max_examples=50)
@given(picks=st.lists(st.sampled_from(_WORDS), min_size=1, max_size=40), times=st.integers(1, 40))
def test_steps_on_distinct_values_are_steps_on_rows(picks: list[str | None], times: int) -> None:
    values = pa.array(picks * times, pa.string())
    for names in (("nfc", "d_stroke", "spaces", "no_mojibake"), ("spaces", "partial_date")):
        expected = values
        flags: tuple[Flag, ...] = ()
        for name in names:
            stepped = STEPS[name].run(expected, CONTEXT)
            expected, flags = stepped.values[0], flags + stepped.flags

        found = run_steps(values, [STEPS[name] for name in names], CONTEXT)

        assert [column.to_pylist() for column in found.values] == [column.to_pylist() for column in stepped.values]
        assert _said(found.flags) == _said(flags)


def test_a_step_on_some_rows_leaves_the_others_alone() -> None:
    def shout(values: pa.Array) -> Stepped:
        return Stepped(
            (pa.array([value.upper() for value in values.to_pylist()]),),
            (Flag("COMPOSED", np.array([1]), pa.array(["x"])),),
        )

    stepped = on_rows(pa.array(["a", None, "b", "c"]), np.array([True, False, False, True]), shout)

    assert stepped.values[0].to_pylist() == ["A", None, "b", "C"]
    assert [(flag.code, flag.rows.tolist()) for flag in stepped.flags] == [("COMPOSED", [3])]
