"""The console's words. Pages are written in Vietnamese; `locale/<language>/*.po` say the same in another language.

The catalogues are read as they lie in the tree: nothing has to be compiled.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

from gateway.console.numerals import ENGLISH, VIETNAMESE
from reconciliation.lifecycle import VIETNAM

FIRST = "vi"
LANGUAGES: Mapping[str, str] = {"vi": "Tiếng Việt", "en": "English"}
_FOLDER = Path(__file__).with_name("locale")


def later(text: str) -> str:
    """Mark a text of a module for the catalogues; it is translated when it is shown."""
    return text


class Words:
    """What the console says, in one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else FIRST
        self.numerals = VIETNAMESE if self.language == FIRST else ENGLISH
        self._said = {} if self.language == FIRST else catalogue(self.language)

    def say(self, text: str, **values: object) -> str:
        """The text in this language, with %(name)s filled in. A text no catalogue knows is shown as it is written."""
        said = self._said.get(text, text)
        return said % values if values else said

    def pick(self, both: tuple[str, str]) -> str:
        """Of a (Vietnamese, English) pair of the catalogues of the code, this language's."""
        return both[0] if self.language == FIRST else both[1]

    def day(self, value: date) -> str:
        """dd/mm/yyyy, of a moment the day in Vietnam."""
        local = value.astimezone(VIETNAM) if isinstance(value, datetime) else value
        return f"{local:%d/%m/%Y}"

    def moment(self, value: datetime) -> str:
        """dd/mm/yyyy hh:mm in Vietnam."""
        return f"{value.astimezone(VIETNAM):%d/%m/%Y %H:%M}"

    def number(self, value: int) -> str:
        """1.234.567 in Vietnamese, 1,234,567 in English."""
        return self.numerals.count(value)

    def marked(self, text: str) -> str:
        """A text that was written with English numbers, with this language's mark before tenths."""
        return re.sub(r"(?<=\d)\.(?=\d)", self.numerals.decimal, text)

    def tenth(self, value: float) -> str:
        """12,5 in Vietnamese, 12.5 in English."""
        return self.numerals.tenth(value)


@cache
def catalogue(language: str) -> dict[str, str]:
    """Every text that the files of a language have an answer to."""
    said: dict[str, str] = {}
    for path in sorted((_FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            said |= {str(one.id): str(one.string) for one in read_po(file, locale=language) if one.id and one.string}
    return said


def by_given_name(name: str) -> tuple[str, ...]:
    """What Vietnamese names are sorted by: the given name, which is the last word, then the rest."""
    return tuple(_letters(word) for word in reversed(name.split()))


_ALPHABET = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệfghiìỉĩíịjklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvwxyỳỷỹýỵz"
_PLACES = {letter: chr(number) for number, letter in enumerate(_ALPHABET, start=0x100)}


def _letters(word: str) -> str:
    """A word that sorts by Vietnam's alphabet, in which no server of ours can sort."""
    return "".join(_PLACES.get(letter, letter) for letter in word.lower())
