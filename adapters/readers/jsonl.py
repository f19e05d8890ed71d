"""JSON lines to a raw table: one object a line, objects within it as paths a/b, numbers as the text they were."""

import json
from collections.abc import Sequence
from typing import Any

from adapters.declaration import Charset
from adapters.errors import RejectedBatchError, RejectionReason
from adapters.readers.encoding import DAMAGE, as_text, flagged, line_extents
from adapters.readers.model import LIMITS, Raw, check_counts, is_encodable, row_flag, string_columns

_Object = dict[str, Any]


class _RepeatedKeyError(ValueError):
    """An object holds a key twice, so one of the two values would be lost."""


def read_jsonl(payload: bytes, *, source_id: str) -> Raw:
    """One row a line; a line that is no JSON object is a null row, flagged."""
    text = as_text(payload, Charset.UTF_8, source_id=source_id)
    extents = line_extents(text.body)
    check_counts(records=len(extents), columns=0, source_id=source_id)
    spans = zip(extents.starts.tolist(), extents.ends.tolist(), strict=True)
    repeated: set[int] = set()
    records = [
        _object(text.body[start:end], row, repeated, source_id=source_id) for row, (start, end) in enumerate(spans)
    ]
    unreadable = {row for row, record in enumerate(records) if record is None} - repeated
    columns: dict[str, list[str | None]] = {}
    _flatten([record or {} for record in records], "", columns, unreadable, source_id=source_id)
    table, surrogates = string_columns(columns)
    raw = Raw(
        table=table,
        flags=row_flag("RECORD_UNREADABLE", unreadable)
        + row_flag("FIELD_REPEATED", repeated)
        + row_flag("ENCODING_INVALID", surrogates, "lone surrogate"),
        payload=payload,
        extents=extents,
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


def _flatten(
    records: Sequence[_Object],
    prefix: str,
    columns: dict[str, list[str | None]],
    unreadable: set[int],
    *,
    source_id: str,
) -> None:
    """Adds a column of text for every path of the records to `columns`, and rows that hold a list to `unreadable`."""
    if prefix.count("/") >= LIMITS.depth:
        raise _too_deep(source_id, f"column {prefix[:80]!r}")
    names = dict.fromkeys(name for record in records for name in record)
    check_counts(records=len(records), columns=len(columns) + len(names), source_id=source_id)
    for name in names:
        if DAMAGE in name or not is_encodable(name):
            unreadable |= {row for row, record in enumerate(records) if name in record}
            continue
        values = [record.get(name) for record in records]
        kinds = set(map(type, values))
        if dict in kinds:
            inner = [value if isinstance(value, dict) else {} for value in values]
            _flatten(inner, f"{prefix}{name}/", columns, unreadable, source_id=source_id)
            unreadable |= {row for row, value in enumerate(values) if not isinstance(value, dict | None)}
            continue
        if list in kinds:
            unreadable |= {row for row, value in enumerate(values) if isinstance(value, list)}
            values = [None if isinstance(value, list) else value for value in values]
        if bool in kinds:
            values = [str(value).lower() if isinstance(value, bool) else value for value in values]
        columns[f"{prefix}{name}"] = values


def _too_deep(source_id: str, place: str) -> RejectedBatchError:
    message = f"objects lie more than {LIMITS.depth} levels deep"
    return RejectedBatchError(RejectionReason.TOO_DEEP, message, source_id=source_id, place=place)
