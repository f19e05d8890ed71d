"""Runs steps on no more rows than need them. Steps look at each row alone, so the result is the same.

A column that repeats itself (units, sexes, relations) goes through its steps once a distinct value; a step for which
a whole-column test has found the few rows it may concern runs on those.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.bytewise import Mask, repeats_itself
from adapters.findings import Flag
from adapters.steps.model import Context, Step, Stepped

_FEW = 300  # rows; below, finding what repeats costs more than it saves


def run_steps(values: pa.Array, steps: Sequence[Step], context: Context) -> Stepped:
    """One step after the other, on distinct values where that is less work; the flags of all."""
    if values.null_count == len(values) and steps:  # steps preserve nulls and say nothing of them
        return Stepped(tuple(pa.nulls(len(values), kind) for kind in steps[-1].produces))
    if len(values) < _FEW or not repeats_itself(values):
        return _in_turn(values, steps, context)
    coded = values.dictionary_encode()
    if len(coded.dictionary) * 4 > len(values) * 3:
        return _in_turn(values, steps, context)
    stepped = _in_turn(coded.dictionary, steps, context)
    flags = tuple(_spread(flag, coded) for flag in stepped.flags)
    return Stepped(tuple(column.take(coded.indices) for column in stepped.values), flags)


def on_rows(values: pa.Array, rows: Mask, run: Callable[[pa.Array], Stepped]) -> Stepped:
    """A text step on some rows; the others keep their value."""
    if not rows.any():
        return Stepped((values,))
    if rows.all():
        return run(values)
    places = np.flatnonzero(rows)
    stepped = run(values.take(pa.array(places)))
    flags = tuple(Flag(flag.code, places[flag.rows], flag.seen) for flag in stepped.flags)
    return Stepped((pc.replace_with_mask(values, pa.array(rows), stepped.values[0]),), flags)


def _in_turn(values: pa.Array, steps: Sequence[Step], context: Context) -> Stepped:
    outputs: tuple[pa.Array, ...] = (values,)
    flags: tuple[Flag, ...] = ()
    for step in steps:
        stepped = step.run(outputs[0], context)
        outputs = stepped.values
        flags += stepped.flags
    return Stepped(outputs, flags)


def _spread(flag: Flag, coded: pa.DictionaryArray) -> Flag:
    """A flag on distinct values as a flag on the rows that hold them."""
    place = np.full(len(coded.dictionary) + 1, -1, np.int64)  # the last for null rows
    place[flag.rows] = np.arange(len(flag.rows))
    of_row = place[pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)]
    rows = np.flatnonzero(of_row >= 0)
    return Flag(flag.code, rows, flag.seen.take(pa.array(of_row[rows])))
