"""The shape of a step: a column of text and its circumstances in, columns and flags out. Steps are pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import pyarrow as pa

from adapters.findings import Flag


class Option(StrEnum):
    """What a declaration must say besides the step's name."""

    STYLE = "style"
    LIST = "list"


@dataclass(frozen=True)
class Context:
    """The circumstances of a column: the day of its export and what its mapping declares."""

    exported_on: date
    styles: tuple[str, ...] = ()
    code_list: str | None = None
    is_number: bool = False


@dataclass(frozen=True)
class Stepped:
    """What a step yields: columns as long as its input, null where the input is null, and flags on rows."""

    values: tuple[pa.Array, ...]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Step:
    """A step of the closed vocabulary; `produces` holds the Arrow types of its columns, one string for text steps."""

    run: Callable[[pa.Array, Context], Stepped]
    produces: tuple[pa.DataType, ...] = (pa.string(),)
    option: Option | None = None
    is_text: bool = False  # text in, text out: may be followed by another step
