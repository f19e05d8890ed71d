"""The console's words. Pages are written in Vietnamese; `locale/<language>/*.po` say the same in another language.

The catalogues are read as they lie in the tree: nothing has to be compiled.
"""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

from reconciliation.lifecycle import VIETNAM
from reconciliation.numerals import ENGLISH, VIETNAMESE

FIRST = "vi"
LANGUAGES: Mapping[str, str] = {"vi": "Tiếng Việt", "en": "English"}
# Versions that are seconds since 1970, of the years 2000 to 2100: dialects without versions of their own give these.
_CLOCK = range(946_684_800, 4_102_444_800)
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

    def version(self, value: int) -> str:
        """A record's version: the moment it is, where the source counts by its clock, else the source's own number."""
        if _CLOCK.start <= value < _CLOCK.stop:
            return self.say(later("bản lúc %(at)s"), at=self.moment(datetime.fromtimestamp(value, UTC)))
        return self.say(later("phiên bản %(n)s của nguồn"), n=value)

    def number(self, value: int) -> str:
        """1.234.567 in Vietnamese, 1,234,567 in English."""
        return self.numerals.count(value)

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


def by_given_name(name: str) -> tuple[tuple[str, int], ...]:
    """What Vietnamese names are sorted by: the given name, which is the last word, then the rest."""
    return tuple(_syllable(word) for word in reversed(name.split()))


def alphabetical(name: str) -> tuple[tuple[str, int], ...]:
    """What names of places are sorted by, as in a Vietnamese dictionary: Cà Mau before Cao Bằng."""
    return tuple(_syllable(word) for word in name.split())


_PLACES = {letter: chr(number) for number, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz", start=0x100)}
_TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng


def _syllable(word: str) -> tuple[str, int]:
    """A word that sorts by its letters in Vietnam's order, in which no server of ours can sort, then by its tone."""
    parts = unicodedata.normalize("NFD", word.lower())
    tone = next((place for place, mark in enumerate(_TONES, start=1) if mark in parts), 0)
    bare = unicodedata.normalize("NFC", "".join(part for part in parts if part not in _TONES))
    return "".join(_PLACES.get(letter, letter) for letter in bare), tone
