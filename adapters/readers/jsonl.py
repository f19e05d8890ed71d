"""JSON lines to a raw table: one object a line, objects within it as paths a/b, numbers as the text they were."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from adapters.declaration import Charset
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.encoding import DAMAGE, Text, as_text, flagged
from adapters.readers.lines import LineReader, line_extents
from adapters.readers.model import LIMITS, Raw, check_counts, is_encodable, row_flag, string_columns

_Object = dict[str, Any]


class _RepeatedKeyError(ValueError):
    """An object holds a key twice, so one of the two values would be lost."""


@dataclass(frozen=True)
class _Declared:
    """What the dialect says of paths, so that a row with something else in a place is that row's own matter."""

    leaves: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()  # of which a leaf is a part

    @classmethod
    def of(cls, columns: Sequence[str]) -> "_Declared":
        parts = [column.split("/") for column in columns]
        above = {"/".join(one[:depth]) for one in parts for depth in range(1, len(one))}
        return cls(frozenset(columns) - above, frozenset(above))


def read_jsonl(payload: bytes, *, source_id: str, declared: Sequence[str] = ()) -> Raw:
    """One row a line; a line that is no JSON object is a null row, flagged.

    So is one that holds a list, an object in the place of a `declared` column, or a value where columns are in an
    object.
    """
    text = as_text(payload, Charset.UTF_8, source_id=source_id)
    return _read_lines(text, _Declared.of(declared), source_id=source_id)


def jsonl_chunks(stream: BinaryIO, *, source_id: str, records: int, declared: Sequence[str] = ()) -> Iterator[Raw]:
    """The rows of `read_jsonl`, at most so many at a time; a column may be missing where no row of a chunk has it."""
    lines, kinds = LineReader(stream, source_id=source_id), _Declared.of(declared)
    while (piece := lines.take(records)) is not None:
        text = as_text(piece.body, Charset.UTF_8, source_id=source_id, origin=piece.origin)
        yield _read_lines(text, kinds, source_id=source_id)


def _read_lines(text: Text, declared: _Declared, *, source_id: str) -> Raw:
    extents = line_extents(text.body)
    check_counts(records=len(extents), columns=0, source_id=source_id)
    spans = zip(extents.starts.tolist(), extents.ends.tolist(), strict=True)
    repeated: set[int] = set()
    records = [
        _object(text.body[start:end], row, repeated, source_id=source_id) for row, (start, end) in enumerate(spans)
    ]
    unreadable = {row for row, record in enumerate(records) if record is None} - repeated
    columns: dict[str, list[str | None]] = {}
    _Flat(columns, unreadable, declared, source_id).add([record or {} for record in records], "")
    table, surrogates = string_columns(columns)
    raw = Raw(
        table=table,
        flags=row_flag("RECORD_UNREADABLE", unreadable)
        + row_flag("FIELD_REPEATED", repeated)
        + row_flag("ENCODING_INVALID", surrogates, "lone surrogate"),
        payload=text.payload,
        extents=extents,
        nameless_rows=0 if columns else len(records),
    )
    return flagged(raw, text)


def _pairs(pairs: list[tuple[str, Any]]) -> _Object:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise _RepeatedKeyError
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=str, parse_float=str, parse_constant=str, strict=False)


def _object(line: bytes, row: int, repeated: set[int], *, source_id: str) -> _Object | None:
    """One line as an object; None when it is not one."""
    try:
        record = _DECODER.decode(line.decode())
    except _RepeatedKeyError:
        repeated.add(row)
        return None
    except RecursionError:
        raise _too_deep(source_id, f"row {row}") from None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


@dataclass(frozen=True)
class _Flat:
    """Records being laid out: a column of text for every path, and the rows in which a path holds something else."""

    columns: dict[str, list[str | None]]
    unreadable: set[int]
    declared: _Declared
    source_id: str

    def add(self, records: Sequence[_Object], prefix: str) -> None:
        """Adds the columns of objects that lie under one path."""
        if prefix.count("/") >= LIMITS.depth:
            raise _too_deep(self.source_id, f"column {prefix[:80]!r}")
        names = dict.fromkeys(name for record in records for name in record)
        check_counts(records=len(records), columns=len(self.columns) + len(names), source_id=self.source_id)
        for name in names:
            if DAMAGE in name or not is_encodable(name):
                self._refuse(row for row, record in enumerate(records) if name in record)
                continue
            self._add_values([record.get(name) for record in records], f"{prefix}{name}")

    def _add_values(self, values: list[Any], path: str) -> None:
        kinds = set(map(type, values)) - {type(None)}
        is_holder = bool(kinds) and path in self.declared.holders
        if is_holder or (dict in kinds and path not in self.declared.leaves):
            self._refuse(row for row, value in enumerate(values) if not isinstance(value, dict | None))
            self.add([value if isinstance(value, dict) else {} for value in values], f"{path}/")
            return
        if kinds & {list, dict}:
            self._refuse(row for row, value in enumerate(values) if isinstance(value, list | dict))
            values = [None if isinstance(value, list | dict) else value for value in values]
        if bool in kinds:
            values = [str(value).lower() if isinstance(value, bool) else value for value in values]
        self.columns[path] = values

    def _refuse(self, rows: Iterable[int]) -> None:
        self.unreadable.update(rows)


def _too_deep(source_id: str, place: str) -> RejectedBatchError:
    message = f"objects lie more than {LIMITS.depth} levels deep"
    return RejectedBatchError(RejectionReason.TOO_DEEP, message, source_id=source_id, place=place)
