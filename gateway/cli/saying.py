"""How the terminal speaks: to people in Vietnamese and English, to machines in JSON; errors without a traceback."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import typer

if TYPE_CHECKING:
    from rich.console import Console

_NOT_REACHED = (
    "không gọi được cổng. Kiểm tra địa chỉ, đường truyền và chứng thư; `lienthong doctor` với cùng tùy chọn nói rõ hơn."
)


def say(vi: str, en: str) -> None:
    """A line for a person."""
    typer.echo(f"{vi} · {en}")


def json_line(value: object) -> None:
    """One JSON value on a line of its own."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=_plain))


def paper() -> "Console":
    """What tables are printed on. A pipe has no width: nothing may be broken for one."""
    from rich.console import Console  # noqa: PLC0415 - only tables need it, and it takes a while to load

    return Console(width=None if sys.stdout.isatty() else 250)


def rows(headings: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """A table for a person."""
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(*headings, box=None, pad_edge=False)
    for line in lines:
        table.add_row(*("" if cell is None else str(cell) for cell in line))
    paper().print(table)


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
    from reconciliation.errors import ReconciliationError, UnreachableStoreError  # noqa: PLC0415

    match error:
        case CallFailedError():
            return [f"Lỗi: {error.fault.vi or _NOT_REACHED}", str(error)]
        case UnreachableStoreError():
            return [f"Lỗi: {error.vi}", str(error)]
        case RejectedCallError() | ReconciliationError():
            verdict = explain(error).verdict
            return [f"Lỗi: {verdict.vi} {verdict.fix_vi}", str(error)]
        case GatewayError() | AdapterError() | FatalObservabilityError() | OSError():
            return _at_a_place(error)
        case _:
            return None


def _at_a_place(error: Exception) -> list[str]:
    """What to say of an error of this machine: a setting, a file, a port."""
    from gateway.errors import FatalSettingError, GatewayError  # noqa: PLC0415

    match error:
        case FatalSettingError():
            return [f"Lỗi: {error.variable} không dùng được; sửa như dòng dưới nêu, xem docs/settings.md.", str(error)]
        case GatewayError(vi=str() as vi) if vi:
            return [f"Lỗi: {vi}", str(error)]
        case OSError(filename=str() | Path() as place, strerror=str(cause)):
            return [
                f"Lỗi: không dùng được {place}. Kiểm tra đường dẫn, quyền và chỗ trống.",
                f"{place}: {cause}. Next: check the path, who may use it, and the room left.",
            ]
        case _:
            return ["Lỗi: không thực hiện được; nguyên nhân và việc cần làm ở dòng dưới.", str(error)]


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
