"""Runs a step on plain values."""

from datetime import date
from typing import Any

import pyarrow as pa

from adapters.steps import STEPS, Context, Stepped

EXPORTED_ON = date(2025, 7, 15)


def run(name: str, values: list[str | None], **options: Any) -> Stepped:
    return STEPS[name].run(pa.array(values, pa.string()), Context(EXPORTED_ON, **options))


def first(name: str, values: list[str | None], **options: Any) -> list[Any]:
    """The first column a step yields."""
    return run(name, values, **options).values[0].to_pylist()  # type: ignore[no-any-return]


def codes(stepped: Stepped) -> dict[str, list[int]]:
    """The rows flagged, by code."""
    return {flag.code: flag.rows.tolist() for flag in stepped.flags}
