"""A declaration is right, or its error names file, key and fix."""

from pathlib import Path

import pytest

from adapters.declaration import Charset, ColumnMapping, FileFormat, FixedField, override, read_toml
from adapters.errors import FatalDeclarationError
from tests.adapters.declaring import DIALECT, dialect, folder


def test_declaration_is_read(tmp_path: Path) -> None:
    small = dialect(tmp_path)

    assert small.file.format is FileFormat.CSV
    assert small.source_columns == ("ID", "BORN", "SEX", "STT")
    assert small.required_columns == ("ID",)
    assert small.mapping_to("birth_day") == ColumnMapping(
        sources=("BORN",),
        targets=("birth_year", "birth_month", "birth_day"),
        steps=("spaces", "partial_date"),
        styles=("dd/mm/yyyy",),
        is_optional=True,
    )
    assert small.mapping_to("cmnd") is None


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ('name = "small"', 'name = "other"', "name"),
        ('title = "Small"', "", "title"),
        ('title = "Small"', "title = 5", "title"),
        ('kind = "person"', 'kind = "animal"', "kind"),
        ('kind = "person"', 'kind = "person"\ncolour = "red"', "colour"),
        ('ignored = ["STT"]', 'ignored = ["STT", "STT"]', "ignored"),
        ('ignored = ["STT"]', 'ignored = ["ID"]', "ignored"),
        ('ignored = ["STT"]', "ignored = [5]", "ignored"),
        ('format = "csv"', 'format = "doc"', "file.format"),
        ('format = "csv"', 'format = "csv"\nheader_row = 0', "file.header_row"),
        ('format = "csv"', 'format = "jsonl"\nheader_row = 2', "file.header_row"),
        ('format = "csv"', 'format = "csv"\nheader_depth = 2', "file.header_depth"),
        ('format = "csv"', 'format = "xlsx"\nheader_row = 2\nheader_depth = 2', "file.header_depth"),
        ('format = "csv"', 'format = "csv"\ncharset = "vni"\ndecomposed = true', "file.byte_order_mark"),
        ('format = "csv"', 'format = "jsonl"\nbyte_order_mark = true', "file.byte_order_mark"),
        ('format = "csv"', 'format = "csv"\ncharset = "latin-1"', "file.charset"),
        ('format = "csv"', 'format = "fixed-width"', "file.fields"),
        ('format = "csv"', 'format = "csv"\nfields = [{ name = "ID", width = 3 }]', "file.fields"),
        ('format = "csv"', 'format = "fixed-width"\nfields = [{ name = "ID", width = 0 }]', "file.fields[0].width"),
        ('format = "csv"', 'format = "fixed-width"\nfields = [{ name = "ID", width = 3 }]', "file.fields"),
        ('format = "csv"', 'format = "csv"\nseparator = "||"', "file.separator"),
        ('format = "csv"', 'format = "jsonl"\ncharset = "tcvn3"', "file.charset"),
        ('format = "csv"', 'format = "xml"', "file.record"),
        ("exported_on = 2025-07-15", 'exported_on = "2025-07-15"', "sample.exported_on"),
        ('to = "source_record_id"', 'to = "hamlet"', "column"),
        ('to = "source_record_id"', 'to = "key"', "column[0].to"),
        ('to = "source_record_id"', 'to = "valid_from"', "column[0].to"),
        ('to = "source_record_id"', 'to = "unit_vintage"', "column[0].to"),
        ('to = "source_record_id"', 'to = ["source_record_id", "hamlet"]', "column[0].to"),
        ('to = "source_record_id"', 'to = "source_record_id"\noptional = true', "column"),
        ('to = "sex"', 'to = "source_record_id"', "column[2].list"),
        ('to = "sex"', 'to = "birth_year"', "column[2].list"),
        ('steps = ["spaces", "partial_date"]', 'steps = ["partial_date", "spaces"]', "column[1].steps"),
        ('steps = ["spaces", "partial_date"]', 'steps = ["spaces", "guess"]', "column[1].steps"),
        ('steps = ["spaces", "partial_date"]', "steps = []", "column[1].steps"),
        ('style = "dd/mm/yyyy"', 'style = "mm/dd/yyyy"', "column[1].style"),
        ('style = "dd/mm/yyyy"', "", "column[1].style"),
        ('steps = ["spaces"]', 'steps = ["spaces"]\nstyle = "yyyy"', "column[0].style"),
        ('list = "sex.words"', "", "column[2].list"),
        ('list = "sex.words"', 'list = "ethnic.1979"', "column[2].list"),
    ],
)
def test_mistake_names_file_key_and_fix(tmp_path: Path, right: str, wrong: str, key: str) -> None:
    assert right in DIALECT

    with pytest.raises(FatalDeclarationError) as caught:
        dialect(tmp_path, DIALECT.replace(right, wrong, 1))

    assert caught.value.file == "small/dialect.toml"
    assert caught.value.key == key
    assert caught.value.fix


def test_two_columns_may_not_end_in_one(tmp_path: Path) -> None:
    twice = DIALECT + '\n[[column]]\nfrom = "X"\nto = "sex"\nsteps = ["listed"]\nlist = "sex.words"\n'

    with pytest.raises(FatalDeclarationError, match='two columns end in "sex"'):
        dialect(tmp_path, twice)


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FatalDeclarationError, match=r"small/dialect\.toml"):
        dialect(tmp_path, "name =")


def test_override_changes_charset_styles_and_lists(tmp_path: Path) -> None:
    keys = read_toml(folder(tmp_path) / "dialect.toml")

    changed = override(
        dialect(tmp_path),
        keys=keys,
        charset=Charset.TCVN3,
        styles={"BORN": ["yyyy"]},
        code_lists={"SEX": "sex.bhyt_xml"},
    )

    assert changed.file.charset is Charset.TCVN3
    assert [mapping.styles for mapping in changed.mappings] == [(), ("yyyy",), ()]
    assert [mapping.code_list for mapping in changed.mappings] == [None, None, "sex.bhyt_xml"]


def test_fields_of_fixed_width_are_read(tmp_path: Path) -> None:
    names = ("ID", "BORN", "SEX", "STT")
    fields = ", ".join(f'{{ name = "{name}", width = {len(name)} }}' for name in names)
    text = DIALECT.replace('format = "csv"', f'format = "fixed-width"\ncharset = "viscii"\nfields = [{fields}]')

    shape = dialect(tmp_path, text).file

    assert shape.charset is Charset.VISCII
    assert shape.fields == tuple(FixedField(name, len(name)) for name in names)


@pytest.mark.parametrize("extra", [', { name = "ID", width = 2 }', ', { name = "OTHER", width = 2 }'])
def test_every_field_is_named_once_and_mapped_or_ignored(tmp_path: Path, extra: str) -> None:
    fields = ", ".join(f'{{ name = "{name}", width = 2 }}' for name in ("ID", "BORN", "SEX", "STT"))
    text = DIALECT.replace('format = "csv"', f'format = "fixed-width"\nfields = [{fields}{extra}]')

    with pytest.raises(FatalDeclarationError, match="is not once a field and once mapped or ignored"):
        dialect(tmp_path, text)


@pytest.mark.parametrize("file_format", ["csv", "dbf"])
def test_charset_may_differ_at_a_system_where_the_format_has_none(tmp_path: Path, file_format: str) -> None:
    text = DIALECT.replace('format = "csv"', f'format = "{file_format}"')
    keys = read_toml(folder(tmp_path, text) / "dialect.toml")

    assert override(dialect(tmp_path, text), keys=keys, charset=Charset.VNI).file.charset is Charset.VNI


def test_marks_of_unicode_are_not_those_of_a_legacy_charset(tmp_path: Path) -> None:
    text = DIALECT.replace('format = "csv"', 'format = "csv"\nbyte_order_mark = true\ndecomposed = true')
    keys = read_toml(folder(tmp_path, text) / "dialect.toml")

    changed = override(dialect(tmp_path, text), keys=keys, charset=Charset.VNI).file

    assert (dialect(tmp_path, text).file.has_mark, changed.has_mark, changed.is_decomposed) == (True, False, False)


def test_charset_may_not_differ_where_the_format_says_it(tmp_path: Path) -> None:
    text = DIALECT.replace('format = "csv"', 'format = "jsonl"')
    keys = read_toml(folder(tmp_path, text) / "dialect.toml")

    with pytest.raises(FatalDeclarationError, match="charset"):
        override(dialect(tmp_path, text), keys=keys, charset=Charset.VNI)


@pytest.mark.parametrize("column", ["STT", "NOWHERE"])
def test_override_of_no_mapped_column_is_a_mistake(tmp_path: Path, column: str) -> None:
    keys = read_toml(folder(tmp_path) / "dialect.toml")

    with pytest.raises(FatalDeclarationError, match=column):
        override(dialect(tmp_path), keys=keys, styles={column: ["yyyy"]})


def test_override_is_checked_like_a_declaration(tmp_path: Path) -> None:
    keys = read_toml(folder(tmp_path) / "dialect.toml")

    with pytest.raises(FatalDeclarationError, match=r"ethnic\.1979"):
        override(dialect(tmp_path), keys=keys, code_lists={"SEX": "ethnic.1979"})
