"""How the terminal speaks: to people in Vietnamese and English, to machines in JSON; errors without a traceback."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from uuid import UUID

import typer


def say(vi: str, en: str) -> None:
    """A line for a person."""
    typer.echo(f"{vi} · {en}")


def json_line(value: object) -> None:
    """One JSON value on a line of its own."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=_plain))


def rows(headings: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """A table for a person."""
    from rich.console import Console  # noqa: PLC0415 - only tables need it, and it takes a while to load
    from rich.table import Table  # noqa: PLC0415

    table = Table(*headings, box=None, pad_edge=False)
    for line in lines:
        table.add_row(*("" if cell is None else str(cell) for cell in line))
    # A pipe has no width: nothing may be broken for one.
    Console(width=None if sys.stdout.isatty() else 250).print(table)


@contextmanager
def failures() -> Iterator[None]:
    """Turn every foreseen error into a line in both languages and exit code 1."""
    try:
        yield
    except Exception as error:
        lines = _explained(error)
        if lines is None:
            raise
        for line in lines:
            typer.echo(line, err=True)
        raise SystemExit(1) from error


def _explained(error: Exception) -> list[str] | None:
    """What to say of an error, None when it was not foreseen."""
    # Imported here: a command that goes well has no need of the gateway's errors.
    from adapters.errors import AdapterError  # noqa: PLC0415
    from gateway.client.errors import CallFailedError  # noqa: PLC0415
    from gateway.errors import GatewayError, RejectedCallError, explain  # noqa: PLC0415
    from observability.errors import FatalObservabilityError  # noqa: PLC0415
    from reconciliation.errors import ReconciliationError  # noqa: PLC0415

    match error:
        case CallFailedError():
            fault = error.fault
            return [
                line for line in (f"Lỗi: {fault.vi}" if fault.vi else "Lỗi: không gọi được cổng.", str(error)) if line
            ]
        case RejectedCallError() | ReconciliationError():
            verdict = explain(error).verdict
            return [f"Lỗi: {verdict.vi} {verdict.fix_vi}", str(error)]
        case GatewayError() | AdapterError() | FatalObservabilityError() | OSError():
            return ["Lỗi:", str(error)]
        case _:
            return None


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
