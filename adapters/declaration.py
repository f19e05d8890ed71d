"""What a dialect.toml may say, typed and checked: one product's export, from its columns to the canonical ones.

A declaration serves both ways: readers and `normalise` go from a file to canonical rows, and a writer can go back,
because it names the format, the order of the columns, the charset, the date styles and the code lists.
Every mistake is a `FatalDeclarationError` with file, key and fix. The keys are documented on the dataclasses.
"""

import tomllib
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from adapters.canonical import KEY, SCHEMAS, RecordKind
from adapters.errors import FatalDeclarationError
from adapters.steps import STEPS, Option
from adapters.steps.dates import STYLES
from adapters.steps.lists import FAMILIES, LISTS

_Choice = TypeVar("_Choice", bound=StrEnum)
_Value = TypeVar("_Value")


class FileFormat(StrEnum):
    """How a file is built."""

    CSV = "csv"
    XLSX = "xlsx"
    XML = "xml"
    JSONL = "jsonl"
    DBF = "dbf"
    FIXED_WIDTH = "fixed-width"
    ARROW = "arrow"


class Charset(StrEnum):
    """How the text of a file is encoded. It is declared: no format here says it in a way that can be trusted."""

    UTF_8 = "utf-8"
    TCVN3 = "tcvn3"
    VNI = "vni"
    VISCII = "viscii"


# The formats whose charset is declared; the others are UTF-8 or say it themselves.
_WITH_CHARSET = (FileFormat.CSV, FileFormat.DBF, FileFormat.FIXED_WIDTH)


@dataclass(frozen=True)
class FixedField:
    """A field of a line of fixed width. The width is in bytes; every charset but UTF-8 and VNI has one a letter."""

    name: str
    width: int


@dataclass(frozen=True)
class FileShape:
    """The table `[file]`: what a reader or writer must know before the first value."""

    format: FileFormat
    charset: Charset = Charset.UTF_8  # csv, dbf, fixed-width
    separator: str = ","  # csv
    sheet: str | None = None  # xlsx: its name; none = the first
    header_row: int = 1  # xlsx, csv: the row of the column names, from 1; a csv's empty lines are no rows
    has_mark: bool = False  # csv: `byte_order_mark`, begins with one. For writers; readers take both
    is_decomposed: bool = False  # csv: `decomposed`, letters and marks apart (NFD). For writers; readers take both
    header_depth: int = 1  # csv: how many rows, ending at header_row, make the names: "Chủ hộ/Họ tên"
    fields: tuple[FixedField, ...] = ()  # fixed-width: in their order
    root: str | None = None  # xml: local name of the document element
    record: str | None = None  # xml: local name of the element of one record, a child of the root
    namespace: str | None = None  # xml: of every element


@dataclass(frozen=True)
class ColumnMapping:
    """One `[[column]]`: source columns, the steps they go through, and the canonical columns they end in."""

    sources: tuple[str, ...]  # `from`: a name, or several that are joined by a space; in XML and JSON a/b is a path
    targets: tuple[str, ...]  # `to`: one name or several, as the last step yields them
    steps: tuple[str, ...]  # `steps`: names of adapters.steps.STEPS, in order
    styles: tuple[str, ...] = ()  # `style`: of a date step, names of STYLES, the first that fits is taken
    code_list: str | None = None  # `list`: of the step `listed`, a name of LISTS
    is_number: bool = False  # `number`: the system keeps codes as numbers, so leading zeros are lost
    is_optional: bool = False  # `optional`: the column may be absent from a whole export

    @property
    def name(self) -> str:
        """How findings name the column: the source's own name or names."""
        return "+".join(self.sources)


@dataclass(frozen=True)
class Sample:
    """The table `[sample]`: under what circumstances sample.* was exported."""

    exported_on: date
    unit_vintage: date | None = None


@dataclass(frozen=True)
class Dialect:
    """What one product exports: every column is mapped or ignored by name."""

    name: str
    title: str
    kind: RecordKind
    file: FileShape
    mappings: tuple[ColumnMapping, ...]
    ignored: tuple[str, ...]
    sample: Sample

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every column the source may send, in the order of the declaration: mapped ones first, then ignored."""
        mapped = [name for mapping in self.mappings for name in mapping.sources]
        return tuple(dict.fromkeys([*mapped, *self.ignored]))

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The mapped columns without which a batch is refused."""
        return tuple(
            dict.fromkeys(name for mapping in self.mappings if not mapping.is_optional for name in mapping.sources)
        )

    def mapping_to(self, target: str) -> ColumnMapping | None:
        """The mapping that fills a canonical column, if the dialect has one."""
        return next((mapping for mapping in self.mappings if target in mapping.targets), None)


class Keys:
    """A TOML table read key by key: right types, no key left unread. Every mistake names file and key."""

    def __init__(self, table: Map[str, Any], *, file: str, place: str = "") -> None:
        self.file = file
        self.place = place
        self._table = dict(table)

    def fail(self, key: str, problem: str, *, fix: str) -> FatalDeclarationError:
        """The error of this key, to be raised by the caller."""
        return FatalDeclarationError(self.file, f"{self.place}{key}", problem, fix=fix)

    def take(self, key: str, kind: type[_Value]) -> _Value:
        """A key that must be there."""
        if key not in self._table:
            raise self.fail(key, "is missing", fix=f"add {key} = <{kind.__name__}>")
        value = self.maybe(key, kind)
        assert value is not None  # noqa: S101  (TOML has no null)
        return value

    def maybe(self, key: str, kind: type[_Value]) -> _Value | None:
        """A key that may be left out."""
        value = self._table.pop(key, None)
        if value is not None and type(value) is not kind:
            raise self.fail(key, f"is a {type(value).__name__}", fix=f"write a {kind.__name__}")
        return value

    def choice(self, key: str, choices: type[_Choice], default: _Choice | None = None) -> _Choice:
        """A key with one of a closed set of words."""
        word = self.maybe(key, str) if default is not None else self.take(key, str)
        if word is None and default is not None:
            return default
        if word not in set(choices):
            raise self.fail(key, f'"{word}" is unknown', fix=f"one of {', '.join(choices)}")
        return choices(word)

    def names(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A string or a list of strings, without repetition."""
        if key not in self._table and not required:
            return ()
        value = self._table.pop(key, None)
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            raise self.fail(key, "is no name or list of names", fix=f'write {key} = "…" or {key} = ["…", "…"]')
        if len(set(names)) < len(names):
            raise self.fail(key, "names something twice", fix="remove the repetition")
        return tuple(names)

    def table(self, key: str) -> "Keys":
        """A table that must be there."""
        return Keys(self.take(key, dict), file=self.file, place=f"{self.place}{key}.")

    def maybe_table(self, key: str) -> "Keys":
        """A table that may be left out, and is then empty."""
        return Keys(self.maybe(key, dict) or {}, file=self.file, place=f"{self.place}{key}.")

    def tables(self, key: str) -> list["Keys"]:
        """A list of tables, at least one."""
        rows = self.take(key, list)
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise self.fail(key, "is no list of tables", fix=f"write [[{key}]] before each")
        return [Keys(row, file=self.file, place=f"{self.place}{key}[{i}].") for i, row in enumerate(rows)]

    def left(self) -> tuple[str, ...]:
        """The keys that have not been read yet."""
        return tuple(self._table)

    def peek(self, key: str) -> object:
        """The value of a key, which stays unread."""
        return self._table.get(key)

    def done(self) -> None:
        """Fails if a key is left that nothing has read."""
        for key in self._table:
            raise self.fail(key, "is unknown", fix="remove it or correct its spelling")


def read_toml(path: Path) -> Keys:
    """A TOML file as keys; errors name the last two parts of its path."""
    name = "/".join(path.parts[-2:])
    try:
        return Keys(tomllib.loads(path.read_text(encoding="utf-8")), file=name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FatalDeclarationError(name, "file", f"is no TOML: {error}", fix="correct the syntax") from error


def read_dialect(folder: Path) -> Dialect:
    """The dialect declared by `folder`/dialect.toml, which is named like its folder."""
    keys = read_toml(folder / "dialect.toml")
    name = keys.take("name", str)
    if name != folder.name:
        raise keys.fail("name", f'"{name}" is not the folder\'s name', fix=f'write name = "{folder.name}"')
    kind = keys.choice("kind", RecordKind)
    dialect = Dialect(
        name=name,
        title=keys.take("title", str),
        kind=kind,
        file=_file_shape(keys.table("file")),
        mappings=tuple(_mapping(column, kind) for column in keys.tables("column")),
        ignored=keys.names("ignored"),
        sample=_sample(keys.table("sample")),
    )
    keys.done()
    _check_whole(dialect, keys)
    return dialect


def override(
    dialect: Dialect,
    *,
    keys: Keys,
    charset: Charset | None = None,
    styles: Map[str, Sequence[str]] | None = None,
    code_lists: Map[str, str] | None = None,
) -> Dialect:
    """The dialect as one system speaks it: another charset, other styles and lists by source column."""
    styles, code_lists = dict(styles or {}), dict(code_lists or {})
    mappings = []
    for mapping in dialect.mappings:
        changed = replace(
            mapping,
            styles=tuple(styles.pop(mapping.name, mapping.styles)),
            code_list=code_lists.pop(mapping.name, mapping.code_list),
        )
        _check_options(changed, keys)
        mappings.append(changed)
    for column in [*styles, *code_lists]:
        raise keys.fail(column, f"is no mapped column of {dialect.name}", fix="correct the column's name")
    if charset not in (None, dialect.file.charset):
        _check_charset(dialect.file.format, keys)
    file = replace(dialect.file, charset=charset or dialect.file.charset)
    if file.charset is not Charset.UTF_8:
        file = replace(file, has_mark=False, is_decomposed=False)  # only Unicode has either
    return replace(dialect, file=file, mappings=tuple(mappings))


def _file_shape(keys: Keys) -> FileShape:
    shape = FileShape(
        format=keys.choice("format", FileFormat),
        charset=keys.choice("charset", Charset, Charset.UTF_8),
        separator=keys.maybe("separator", str) or ",",
        sheet=keys.maybe("sheet", str),
        header_row=_positive(keys, "header_row"),
        has_mark=keys.maybe("byte_order_mark", bool) or False,
        is_decomposed=keys.maybe("decomposed", bool) or False,
        header_depth=_positive(keys, "header_depth"),
        fields=tuple(_field(one) for one in keys.tables("fields")) if keys.peek("fields") is not None else (),
        root=keys.maybe("root", str),
        record=keys.maybe("record", str),
        namespace=keys.maybe("namespace", str),
    )
    keys.done()
    if shape.format is FileFormat.XML and not (shape.root and shape.record):
        raise keys.fail("record", "is missing", fix="name the elements of the document and of a record: root, record")
    if shape.charset is not Charset.UTF_8:
        _check_charset(shape.format, keys)
    if shape.header_row > 1 and shape.format not in (FileFormat.CSV, FileFormat.XLSX):
        raise keys.fail("header_row", "is declared for a format without header rows", fix="remove it")
    if shape.header_depth > 1 and (shape.format is not FileFormat.CSV or shape.header_depth > shape.header_row):
        fix = "count the rows of names in a csv; they end at header_row, so header_depth is at most that"
        raise keys.fail("header_depth", "is more than there are rows of names", fix=fix)
    if (shape.has_mark or shape.is_decomposed) and (shape.format, shape.charset) != (FileFormat.CSV, Charset.UTF_8):
        raise keys.fail("byte_order_mark", "or decomposed is declared for no csv in Unicode", fix="remove it")
    if bool(shape.fields) != (shape.format is FileFormat.FIXED_WIDTH):
        fix = 'write fields = [{ name = "…", width = … }, …]'
        raise keys.fail("fields", "belongs to the format fixed-width, and only there", fix=fix)
    if len(shape.separator) != 1 or not shape.separator.isascii():
        raise keys.fail("separator", "is not one ASCII character", fix='write "," ";" or "\\t"')
    return shape


def _check_charset(file_format: FileFormat, keys: Keys) -> None:
    if file_format not in _WITH_CHARSET:
        raise keys.fail("charset", "is declared for a format that has its own", fix="remove it")


def _positive(keys: Keys, key: str) -> int:
    """A count from 1 on; 1 when it is left out."""
    count = keys.maybe(key, int)
    if count is not None and count < 1:
        raise keys.fail(key, "is less than 1", fix="count from 1")
    return count or 1


def _field(keys: Keys) -> FixedField:
    found = FixedField(name=keys.take("name", str), width=keys.take("width", int))
    keys.done()
    if found.width < 1:
        raise keys.fail("width", "is less than 1", fix="write the number of bytes")
    return found


def _sample(keys: Keys) -> Sample:
    sample = Sample(exported_on=keys.take("exported_on", date), unit_vintage=keys.maybe("unit_vintage", date))
    keys.done()
    return sample


def _mapping(keys: Keys, kind: RecordKind) -> ColumnMapping:
    mapping = ColumnMapping(
        sources=keys.names("from", required=True),
        targets=keys.names("to", required=True),
        steps=keys.names("steps", required=True),
        styles=keys.names("style"),
        code_list=keys.maybe("list", str),
        is_number=keys.maybe("number", bool) or False,
        is_optional=keys.maybe("optional", bool) or False,
    )
    keys.done()
    _check_steps(mapping, keys)
    _check_options(mapping, keys)
    _check_targets(mapping, keys, kind)
    return mapping


def _check_steps(mapping: ColumnMapping, keys: Keys) -> None:
    for name in mapping.steps:
        if name not in STEPS:
            raise keys.fail("steps", f'"{name}" is unknown', fix=f"one of {', '.join(STEPS)}")
    for name in mapping.steps[:-1]:
        if not STEPS[name].is_text:
            raise keys.fail("steps", f'"{name}" is not the last step', fix="put it last, after the steps on text")


def _check_options(mapping: ColumnMapping, keys: Keys) -> None:
    option = STEPS[mapping.steps[-1]].option
    if bool(mapping.styles) != (option is Option.STYLE):
        raise keys.fail("style", "belongs to a date step, and only there", fix=f"styles are {', '.join(STYLES)}")
    for style in mapping.styles:
        if style not in STYLES:
            raise keys.fail("style", f'"{style}" is unknown', fix=f"one of {', '.join(STYLES)}")
    if (mapping.code_list is not None) != (option is Option.LIST):
        raise keys.fail("list", "belongs to the step listed, and only there", fix=f"lists are {', '.join(LISTS)}")
    if mapping.code_list is not None:
        families = {name for name in LISTS if FAMILIES.get(mapping.targets[0]) == name.partition(".")[0]}
        if mapping.code_list not in families:
            choices = ", ".join(sorted(families)) or "none for this column"
            raise keys.fail("list", f'"{mapping.code_list}" does not fit {mapping.targets[0]}', fix=choices)


def _check_targets(mapping: ColumnMapping, keys: Keys, kind: RecordKind) -> None:
    schema = SCHEMAS[kind]
    produced = STEPS[mapping.steps[-1]].produces
    if len(mapping.targets) > len(produced):
        raise keys.fail("to", f"has more columns than the step yields ({len(produced)})", fix="shorten the list")
    for target, type_ in zip(mapping.targets, produced, strict=False):
        if target in ("row", "unit_vintage") or target not in schema.names:
            raise keys.fail(
                "to", f'"{target}" is no column of a {kind} record', fix=f"one of {', '.join(schema.names)}"
            )
        if schema.field(target).type != type_:
            problem = f'"{target}" is {schema.field(target).type}, the last step yields {type_}'
            raise keys.fail("to", problem, fix="choose the step made for this column")


def _check_whole(dialect: Dialect, keys: Keys) -> None:
    targets = [target for mapping in dialect.mappings for target in mapping.targets]
    for target in targets:
        if targets.count(target) > 1:
            raise keys.fail("column", f'two columns end in "{target}"', fix="keep one, ignore the other")
    key = dialect.mapping_to(KEY[1].name)
    if key is None or key.is_optional:
        raise keys.fail("column", "no column gives source_record_id", fix="map the product's own key, not optional")
    both = set(dialect.ignored) & {name for mapping in dialect.mappings for name in mapping.sources}
    for name in sorted(both):
        raise keys.fail("ignored", f'"{name}" is mapped as well', fix="remove it from one of the two")
    if dialect.file.fields:
        _check_fields([field.name for field in dialect.file.fields], dialect, keys)


def _check_fields(fields: list[str], dialect: Dialect, keys: Keys) -> None:
    """A line of fixed width has every column there is, each once."""
    for name in dict.fromkeys([*fields, *dialect.source_columns]):
        if fields.count(name) != 1 or name not in dialect.source_columns:
            problem = f'"{name}" is not once a field and once mapped or ignored'
            raise keys.fail("file.fields", problem, fix="name every field once, and map or ignore it")
