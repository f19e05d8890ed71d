"""A draft as the TOML of a dialect or of a system: each guess and each open point stands as a comment at its place."""

import json
from collections.abc import Iterable, Iterator
from datetime import date

from adapters.catalogue import Former, Province
from adapters.declaration import Charset, ColumnMapping, FileFormat, FileShape
from adapters.drafting.guessing import Draft
from adapters.drafting.sniffing import Note
from gateway.reports.plain import plain

_SUFFIXES = {"person": "population", "household": "household", "insurance": "insurance"}


def dialect_toml(draft: Draft, *, name: str, title: str, exported_on: date) -> str:
    """The text of a dialect.toml."""
    general = {note.place: note for note in draft.notes}
    lines = [
        "# Bản nháp do `lienthong source new` đoán từ một tệp mẫu. Xem từng dòng GUESSED, trả lời từng dòng OPEN.",
        "# A draft that `lienthong source new` guessed from a sample. Look at every GUESSED, answer every OPEN.",
        f"name = {_string(name)}",
        f"title = {_string(title)}",
        *_comments(general, "kind"),
        f"kind = {_string(draft.kind.value)}",
        *_ignored(draft),
        "",
        "[file]",
        *_file(draft.shape, general),
        "",
        "[sample]",
        f"exported_on = {exported_on.isoformat()}",
        *_comments(general, "sample.unit_vintage"),
        *([f"unit_vintage = {draft.unit_vintage.isoformat()}"] if draft.unit_vintage else []),
    ]
    for column in draft.columns:
        lines += ["", "[[column]]", *_column(column.mapping, column.notes)]
    return "\n".join(lines) + "\n"


def system_toml(draft: Draft, *, name: str, province: Province, former: Former) -> str:
    """The entry of a system for its province's page."""
    page = f"adapters/provinces/{province.code}-{province.slug}.toml"
    lines = [
        f"# OPEN: đặt thay cho hệ thống cùng source_id trong {page} · put in place of this source_id in {page}",
        "[[system]]",
        f"source_id = {_string(f'{former.slug}.{_SUFFIXES[draft.kind.value]}')}",
        f"former_province = {_string(former.code)}",
        f"kind = {_string(draft.kind.value)}",
        f"dialect = {_string(name)}",
        "# OPEN: nguồn xuất bao lâu một lần? · how often does it export? daily | weekly | monthly",
        'cadence = "monthly"',
        "# OPEN: từ ngày nào dùng danh mục nào? · from which day on which list? Sai thì người sai xã · never guess it",
        'unit_codes = "undeclared"',
    ]
    return "\n".join(lines) + "\n"


def _comments(notes: dict[str, Note], place: str) -> list[str]:
    return [_comment(notes[place])] if place in notes else []


def _comment(note: Note) -> str:
    key = note.place.rpartition(".")[2]
    return f"# {'OPEN' if note.is_open else 'GUESSED'}: {key}: {plain(note.vi)} · {plain(note.en)}"


def _ignored(draft: Draft) -> Iterator[str]:
    if not draft.ignored:
        return
    yield "ignored = ["
    for name, note in draft.ignored.items():
        yield f"    {_string(name)},  {_comment(note)}"
    yield "]"


def _file(shape: FileShape, notes: dict[str, Note]) -> Iterator[str]:
    yield from _comments(notes, "file.format")
    yield f"format = {_string(shape.format.value)}"
    yield from _comments(notes, "file.charset")
    if shape.format in {FileFormat.CSV, FileFormat.DBF} or shape.charset is not Charset.UTF_8:
        yield f"charset = {_string(shape.charset.value)}"
    match shape.format:
        case FileFormat.CSV:
            yield from _comments(notes, "file.separator")
            yield f"separator = {_string(shape.separator)}"
            yield from _comments(notes, "file.header_row")
            yield f"header_row = {shape.header_row}"
            yield f"header_depth = {shape.header_depth}"
            yield f"byte_order_mark = {str(shape.has_mark).lower()}"
            yield f"decomposed = {str(shape.is_decomposed).lower()}"
        case FileFormat.XLSX:
            yield from _comments(notes, "file.sheet")
            yield from _comments(notes, "file.header_row")
            yield f"header_row = {shape.header_row}"
        case FileFormat.XML:
            yield from _comments(notes, "file.record")
            yield f"root = {_string(shape.root or '')}"
            yield f"record = {_string(shape.record or '')}"
            if shape.namespace:
                yield f"namespace = {_string(shape.namespace)}"
        case FileFormat.JSONL | FileFormat.DBF | FileFormat.ARROW | FileFormat.FIXED_WIDTH:
            pass


def _column(mapping: ColumnMapping, notes: Iterable[Note]) -> Iterator[str]:
    yield from map(_comment, notes)
    yield f"from = {_names(mapping.sources)}"
    yield f"to = {_names(mapping.targets)}"
    yield f"steps = [{', '.join(map(_string, mapping.steps))}]"
    if mapping.styles:
        yield f"style = [{', '.join(map(_string, mapping.styles))}]"
    if mapping.code_list:
        yield f"list = {_string(mapping.code_list)}"
    if mapping.is_number:
        yield "number = true"
    if mapping.is_optional:
        yield "optional = true"


def _names(names: tuple[str, ...]) -> str:
    return _string(names[0]) if len(names) == 1 else f"[{', '.join(map(_string, names))}]"


def _string(text: str) -> str:
    """A basic string of TOML, which escapes as JSON does; what cannot be seen is escaped too."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08X}" for one in quoted)
