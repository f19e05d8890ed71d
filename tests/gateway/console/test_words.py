"""The console says everything in each of its languages, and keeps no word that no page says."""

import ast
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import nodes

from gateway.console import app, words
from gateway.console.words import LANGUAGES, Words, alphabetical, by_given_name

CONSOLE = Path(words.__file__).parent


def said_by_templates() -> Iterator[str]:
    """Every text that a template gives to `say`, one of several included."""
    environment = app.templates()
    for path in sorted((CONSOLE / "templates").rglob("*.html")):
        for call in environment.parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "say":
                yield from texts(call.args[0])


def texts(node: nodes.Node) -> Iterator[str]:
    """The texts that an expression can be."""
    match node:
        case nodes.Const():
            yield node.value
        case nodes.Getitem():  # one of a mapping that is written there
            if isinstance(node.node, nodes.Dict):
                for pair in node.node.items:
                    yield from texts(pair.value)
        case nodes.CondExpr():
            yield from texts(node.expr1)
            yield from texts(node.expr2 or nodes.Tuple([], "load"))


def said_by_modules() -> Iterator[str]:
    """Every constant that a module gives to `say` or marks with `later`."""
    for path in sorted(CONSOLE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            first = node.args[0]
            if called in {"say", "later"} and isinstance(first, ast.Constant):
                yield str(first.value)


SAID = {*said_by_templates(), *said_by_modules()}


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "vi"])
def test_every_text_is_there_in_every_language_and_no_other(language):
    written = [
        (str(one.id), path.name)
        for path in sorted((CONSOLE / "locale" / language).glob("*.po"))
        for one in read_po(io.BytesIO(path.read_bytes()), locale=language)
        if one.id
    ]

    assert len(SAID) > 200
    assert sorted(SAID - set(words.catalogue(language))) == []
    assert sorted(set(words.catalogue(language)) - SAID) == []
    assert len(written) == len({text for text, _ in written}), "a text stands in two files"


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "vi"])
def test_what_is_filled_in_is_the_same_in_every_language(language):
    places = re.compile(r"%\((\w+)\)s")

    unlike = [
        text
        for text, said in words.catalogue(language).items()
        if set(places.findall(text)) != set(places.findall(said))
    ]

    assert unlike == []


def test_names_are_sorted_by_the_given_name_in_the_order_of_the_alphabet():
    names = ["Trần Văn Ân", "Lê Đức Anh", "Nguyễn Thị Đào", "Bùi Văn Dũng", "Phạm An", "Ngô Ăn"]

    assert sorted(names, key=by_given_name) == [
        "Phạm An", "Lê Đức Anh", "Ngô Ăn", "Trần Văn Ân", "Bùi Văn Dũng", "Nguyễn Thị Đào",
    ]  # fmt: skip


def test_places_are_sorted_as_in_a_vietnamese_dictionary_letters_first_and_then_tones():
    names = ["Cao Bằng", "Cà Mau", "Đà Nẵng", "Điện Biên", "Đắk Lắk", "Cần Thơ", "Hà Nội", "An Giang", "Hải Phòng"]

    assert sorted(names, key=alphabetical) == [
        "An Giang", "Cà Mau", "Cao Bằng", "Cần Thơ", "Đà Nẵng", "Đắk Lắk", "Điện Biên", "Hà Nội", "Hải Phòng",
    ]  # fmt: skip
    assert sorted(["má", "mà", "ma", "mạ", "mã", "mả"], key=alphabetical) == ["ma", "mà", "mả", "mã", "má", "mạ"]


def test_days_moments_and_numbers_are_written_as_in_vietnam():
    assert Words("vi").day(date(2025, 7, 1)) == "01/07/2025"
    assert Words("vi").moment(datetime(2025, 6, 30, 18, 5, tzinfo=UTC)) == "01/07/2025 01:05"
    assert (Words("vi").number(1234567), Words("en").number(1234567)) == ("1.234.567", "1,234,567")
    assert Words("xx").language == "vi"
