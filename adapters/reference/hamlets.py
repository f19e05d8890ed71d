"""What provinces told about their hamlets and residential groups: which unit of today each one lies in.

A hamlet has no code. It is known by its name and its former commune: a merged ward may hold six groups called "TDP 2"
until they are renamed. Nothing is inferred: a hamlet that nobody told of decides nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property

import pyarrow as pa
import pyarrow.compute as pc

from adapters.steps.folding import fold_tone

HAMLETS = pa.schema(
    [
        pa.field("province_code", pa.string(), nullable=False),  # the province of today that told it
        pa.field("former_unit_code", pa.string(), nullable=False),  # of the list before the division
        pa.field("name", pa.string(), nullable=False),  # as told: "Tổ dân phố số 02"
        pa.field("name_key", pa.string(), nullable=False),  # `hamlet_key` of the name
        pa.field("unit_code", pa.string(), nullable=False),  # the successor it lies in; one row each if in several
        pa.field("valid_from", pa.date32()),  # null: since before anyone told
        pa.field("valid_to", pa.date32()),  # the last day of the name; null: still in force
        pa.field("renamed_to", pa.string()),  # the name from the day after `valid_to` on
        pa.field("source", pa.string(), nullable=False),
    ]
)

# Words in front of a hamlet's name; the first of each line stands for the others. "Khu 2" and "Khu phố 2" differ.
_WORDS = (
    ("tổ dân phố", "tổ dp", "tdp", "t d p", "tổ nhân dân", "tổ"),
    ("khu phố", "kp", "k p"),
    ("tiểu khu", "tk"),
    ("khu dân cư", "kdc"),
    ("khu",),
    ("thôn",),
    ("bản",),
    ("ấp",),
    ("buôn",),
    ("làng",),
    ("xóm",),
    ("khóm",),
    ("phum",),
    ("plei",),
)


@cache
def _words() -> tuple[tuple[str, str], ...]:
    """Each word folded, with the one it stands for."""
    flat = [(word, line[0]) for line in _WORDS for word in line]
    words, firsts = zip(*flat, strict=True)
    return tuple(zip(fold_tone(pa.array(words)).to_pylist(), fold_tone(pa.array(firsts)).to_pylist(), strict=True))


def hamlet_key(names: pa.Array) -> pa.Array:
    """Equal for every way of writing one hamlet's name: "TDP số 02", "Tổ dân phố 2", "tổ 2". Null stays null.

    What follows a comma is left out. The result is a key, not readable text.
    """
    first = pc.replace_substring_regex(fold_tone(names), "[,;(].*", "")
    plain = pc.replace_substring_regex(first, r"[.:\-–—\"]+", " ")
    apart = pc.replace_substring_regex(plain, r"([^0-9 ])([0-9])", r"\1 \2")
    [number] = fold_tone(pa.array(["số"])).to_pylist()
    bare = pc.replace_substring_regex(apart, f"(^| )(?:{number} +|n ?[°o] *)([0-9])", r"\1\2")
    key = pc.utf8_trim_whitespace(pc.replace_substring_regex(bare, " +", " "))
    key = pc.replace_substring_regex(key, "(^| )0+([0-9])", r"\1\2")
    for line in _WORDS:
        own = {word: stands for word, stands in _words() if stands == _first(line)}
        pattern = "|".join(sorted(own, key=len, reverse=True))
        key = pc.replace_substring_regex(key, f"^(?:{pattern}) ([^:]+)$", f"{_first(line)}: \\1")
    return pc.if_else(pc.equal(key, ""), pa.scalar(None, pa.string()), key)


@cache
def _first(line: Sequence[str]) -> str:
    [folded] = fold_tone(pa.array([line[0]])).to_pylist()
    return str(folded)


@dataclass(frozen=True)
class _Told:
    unit_code: str
    begins: date
    ends: date


@dataclass(frozen=True, eq=False)  # told apart by identity, so that answers found with one can be kept
class Hamlets:
    """What is told of hamlets: a table of HAMLETS, any number of rows per hamlet."""

    table: pa.Table

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days on which something begins to hold or has ceased to, ascending."""
        begins = self.table["valid_from"].drop_null().to_pylist()
        ends = [last + timedelta(days=1) for last in self.table["valid_to"].drop_null().to_pylist() if last < date.max]
        return tuple(sorted({*begins, *ends}))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], list[_Told]]:
        """Rows by former commune and key; a key that has no word in front, or any, is also found by the bare name."""
        rows: dict[tuple[str, str], list[_Told]] = defaultdict(list)
        renamed = hamlet_key(self.table["renamed_to"].combine_chunks()).to_pylist()
        for row, next_key in zip(self.table.to_pylist(), renamed, strict=True):
            begins, ends = row["valid_from"] or date.min, row["valid_to"] or date.max
            _add(rows, row["former_unit_code"], row["name_key"], _Told(row["unit_code"], begins, ends))
            if next_key is not None and ends < date.max:
                later = _Told(row["unit_code"], ends + timedelta(days=1), date.max)
                _add(rows, row["former_unit_code"], next_key, later)
        return dict(rows)

    @cached_property
    def _formers(self) -> dict[tuple[str, str], list[tuple[str, _Told]]]:
        by_unit: dict[tuple[str, str], list[tuple[str, _Told]]] = defaultdict(list)
        for (former, key), told in self._by_name.items():
            for one in told:
                by_unit[one.unit_code, key].append((former, one))
        return dict(by_unit)

    def units_of(self, former_unit_code: str, key: str, on: date | None) -> frozenset[str]:
        """The units in which the hamlet of that name and former commune lies; empty if nobody told.

        `on` is the day the record speaks of: a name is followed after it was changed, because systems rename late,
        but never before it was given.
        """
        told = self._by_name.get((former_unit_code, key)) or []
        valid = [one for one in told if on is None or one.begins <= on <= one.ends]
        return frozenset(one.unit_code for one in valid or [one for one in told if on and one.ends < on])

    def formers_of(self, unit_code: str, key: str, on: date | None) -> tuple[str, ...]:
        """The former communes that have a hamlet of this name in one unit of today, ascending.

        More than one: the name alone identifies no hamlet there.
        """
        told = self._formers.get((unit_code, key), [])
        return tuple(sorted({former for former, one in told if on is None or one.begins <= on <= one.ends}))


def _add(rows: dict[tuple[str, str], list[_Told]], former: str, key: str, told: _Told) -> None:
    word, colon, bare = key.partition(": ")
    rows[former, key].append(told)
    if colon:  # a record may leave the word out
        rows[former, bare].append(told)
    del word


def register_of(rows: pa.Table) -> Hamlets:
    """A register from what provinces told: the columns of HAMLETS, `name_key` worked out here. Rows without a name
    that a key can be made of are left out."""
    keys = hamlet_key(rows["name"].combine_chunks())
    whole = rows.drop_columns(["name_key"]) if "name_key" in rows.column_names else rows
    keyed = whole.append_column("name_key", keys).filter(pc.is_valid(keys))
    return Hamlets(keyed.select(HAMLETS.names).cast(HAMLETS).combine_chunks())
