"""Arrow columns as parameters of a statement: arrays in PostgreSQL's binary form, made without a look at each value."""

from dataclasses import dataclass

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.adapt import Dumper

_HEADER = np.dtype([("dimensions", ">i4"), ("has_nulls", ">i4"), ("oid", ">i4"), ("count", ">i4"), ("first", ">i4")])
_NUMBER = np.dtype([("bytes", ">i4"), ("value", ">i8")])
_TEXT, _BIGINT = 25, 20  # the oids of their types
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Texts:
    """A text[]."""

    binary: bytes


@dataclass(frozen=True)
class Numbers:
    """A bigint[]."""

    binary: bytes


def texts(values: pa.Array | pa.ChunkedArray) -> Texts:
    """A column of strings; nulls stay nulls."""
    column = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    is_null = pc.is_null(column).to_numpy(zero_copy_only=False)
    column = pc.fill_null(column, "")
    count = len(column)
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, count + 1, column.offset * 4) if count else np.zeros(1, np.int32)
    text = np.frombuffer(data or b"", np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    places = (offsets[:-1] - offsets[0]) + _LENGTH_BYTES * np.arange(count)
    written = np.empty(len(text) + _LENGTH_BYTES * count, np.uint8)
    is_text = np.ones(len(written), np.bool_)
    of_lengths = places[:, None] + np.arange(_LENGTH_BYTES)
    is_text[of_lengths] = False
    written[is_text] = text
    written[of_lengths] = np.where(is_null, -1, lengths).astype(">i4").view(np.uint8).reshape(count, _LENGTH_BYTES)
    return Texts(_header(_TEXT, count, has_nulls=bool(is_null.any())) + written.tobytes())


def numbers(values: np.ndarray) -> Numbers:
    """Whole numbers, as numpy has them."""
    written = np.empty(len(values), _NUMBER)
    written["bytes"] = 8
    written["value"] = values
    return Numbers(_header(_BIGINT, len(values), has_nulls=False) + written.tobytes())


def _header(oid: int, count: int, *, has_nulls: bool) -> bytes:
    return np.array([(int(count > 0), has_nulls, oid, count, 1)], _HEADER).tobytes()[: 20 if count else 12]


class TextsType(sa.types.UserDefinedType[Texts]):
    """What a parameter is that takes Texts."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in SQL."""
        return "text[]"


class NumbersType(sa.types.UserDefinedType[Numbers]):
    """What a parameter is that takes Numbers."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in SQL."""
        return "bigint[]"


def teach(connection: psycopg.Connection) -> None:
    """Let a session of the driver take Texts and Numbers."""
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Numbers, _NumbersDumper)


class _TextsDumper(Dumper):
    format = psycopg.pq.Format.BINARY
    oid = 1009

    def dump(self, obj: Texts) -> Buffer:
        return obj.binary


class _NumbersDumper(Dumper):
    format = psycopg.pq.Format.BINARY
    oid = 1016

    def dump(self, obj: Numbers) -> Buffer:
        return obj.binary
