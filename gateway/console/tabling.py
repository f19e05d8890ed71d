"""The records of a case as a table: a field a row, a record a column, each value held against the first one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.console import fields, masking
from gateway.console.differing import Shown, Sign, shown
from gateway.console.words import Words
from reconciliation.showing import Beside, Published, Side

PUBLISHED = "published"  # the column of what registries have been told


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One value. `column` names the record, or PUBLISHED; `is_masked` when there is more to see than is shown."""

    column: str
    index: int
    shown: Shown
    is_masked: bool
    is_empty: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One field in all columns; `differs` when two of them say different things."""

    field: str
    label: str
    cells: tuple[Cell, ...]
    differs: bool


def rows(beside: Beside, words: Words, *, is_open: Collection[tuple[str, str]], ignores_tones: bool) -> list[Row]:
    """The fields that any record says something of; `is_open` are the (column, field) pairs not to be masked."""
    columns: list[Side | Published] = [*([beside.published] if beside.published else []), *beside.sides]
    texts = [_texts(column, words) for column in columns]
    found = []
    for field, label in fields.LABELS.items():
        if not any(text[field] for text in texts):
            continue
        cells = tuple(
            _cell(columns, texts, index, field, is_open=is_open, ignores_tones=ignores_tones)
            for index in range(len(columns))
        )
        signs = {cell.shown.sign for cell in cells}
        differs = bool(signs & {Sign.OTHER, Sign.MISSING, Sign.ALIKE})
        found.append(Row(field=field, label=words.say(label), cells=cells, differs=differs))
    return found


def _texts(column: Side | Published, words: Words) -> Mapping[str, str]:
    said = fields.texts(column.values)
    return said | {field: words.say(said[field]) for field in fields.IN_WORDS if said[field]}


def _cell(
    columns: list[Side | Published],
    texts: list[Mapping[str, str]],
    index: int,
    field: str,
    *,
    is_open: Collection[tuple[str, str]],
    ignores_tones: bool,
) -> Cell:
    """The first column is what the others are held against; it is itself held against the second."""
    value = texts[index][field]
    other = None if len(texts) == 1 else texts[0 if index else 1][field]
    column = columns[index]
    named = column.record_key if isinstance(column, Side) else PUBLISHED
    opened = (named, field) in is_open
    return Cell(
        column=named,
        index=index,
        shown=shown(field, value, other, is_open=opened, ignores_tones=ignores_tones),
        is_masked=not opened and masking.hides(field, value),
        is_empty=not value,
    )
