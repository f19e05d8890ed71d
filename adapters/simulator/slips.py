"""Slips of one export: what goes wrong between a register and its file, so that the register itself is right.

`add_slips` chooses the rows; `held_with_slips` and `raw_with_slips` write what the file then says. Rows are chosen
only where the slip can be made and seen: a legacy charset has no zero-width space, a column of numbers no thirteenth
digit.
"""

from collections.abc import Callable
from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.catalogue import Source
from adapters.declaration import Charset, FileFormat
from adapters.readers.charsets import letters
from adapters.simulator.names import Rng
from adapters.simulator.places import Mask
from adapters.simulator.rates import Fault, Rates
from adapters.steps.amounts import LEVELS, MOST_LEVELS
from adapters.steps.lists import code_list

_SHORTENED_NUMBER = r"^0{1,2}[1-9]"  # read back, since 10 or 11 digits remain
_SHORTENED_UNIT = r"^0[1-9][0-9]{3}$"  # with another zero less it would be a district's code
_ZERO_WIDTH_SPACE, _RIGHT_TO_LEFT = "\u200b", "\u202e"
_LATIN_A, _CYRILLIC_A = "([A-Za-z])a", "\\1\u0430"
_ONE_NUMBER_FROM = pa.scalar(date(2025, 8, 1))  # the personal number may stand for the insurance number (1804/BHXH-QLT)
_DAYS_AHEAD = 400
_UNLISTED = "9"
_UNBOUNDED = (FileFormat.CSV, FileFormat.XLSX, FileFormat.XML, FileFormat.JSONL, FileFormat.ARROW)  # no column widths
# Bytes of TCVN3 that no Vietnamese text has as Latin-1 letters: by them the slip is seen. One is a soft hyphen.
_TELLING = {chr(byte) for byte in (*range(0x80, 0xA0), *range(0xA1, 0xB4), 0xB5, 0xB6, *range(0xB8, 0xC0))}
_SOFT_HYPHEN = "\u00ad"

_NUMBERS = ("personal_number", "head_personal_number")
_NAMES = ("full_name", "head_name")


def add_slips(rng: Rng, table: pa.Table, source: Source, rates: Rates) -> pa.Table:
    """The table of one export with the bits of its slips, and with what a slip makes another valid value of."""
    slips = _Slips(rng, table, source)
    _slip_in_numbers(slips, rates)
    _slip_in_names(slips, rates)
    _slip_in_lists(slips, rates)
    slips.choose(Fault.CLOCK_AHEAD, rates.clock_ahead, _filled(_own(table, source, "source_version")))
    reversed_ = slips.choose(Fault.PERIOD_REVERSED, rates.period_reversed, _filled(_own(table, source, "valid_to")))
    if reversed_.any():
        first, last = table["valid_from"], table["valid_to"]
        slips.replace("valid_from", reversed_, last)
        slips.replace("valid_to", reversed_, first)
    slips.rng = rng.spawn(1)[0]  # of its own, so that nothing else that a seed gives depends on it
    _slip_in_relatives(slips, rates)
    _slip_in_amounts(slips, rates)
    return _with(slips.table, "faults", pa.array(slips.bits))


class _Slips:
    """A table in the making, and the bits set so far."""

    def __init__(self, rng: Rng, table: pa.Table, source: Source) -> None:
        self.rng = rng
        self.table = table
        self.source = source
        self.bits = table["faults"].to_numpy().copy()

    def choose(self, fault: Fault, rate: float, eligible: Mask) -> Mask:
        """Draws `rate` of the eligible rows for a slip and sets its bit."""
        chosen = (self.rng.random(len(self.bits)) < rate) & eligible
        self.bits[chosen] |= fault.value
        return chosen

    def replace(self, column: str, chosen: Mask, values: pa.Array | pa.ChunkedArray) -> None:
        """Writes a whole column where chosen."""
        if chosen.any():
            self.table = _with(self.table, column, pc.if_else(pa.array(chosen), values, self.table[column]))


def _slip_in_numbers(slips: _Slips, rates: Rates) -> None:
    table, source = slips.table, slips.source
    number, unit = _own_text(table, source, _NUMBERS), _own_text(table, source, ("unit_code",))
    insured = _filled(_own_text(table, source, ("insurance_number",)))
    has_room = source.dialect.file.format in _UNBOUNDED
    too_long = slips.choose(Fault.NUMBER_TOO_LONG, rates.number_too_long, _filled(number) & has_room)
    short = _matches(number, _SHORTENED_NUMBER) & ~too_long
    slips.choose(Fault.NUMBER_LOST_ZERO, rates.number_lost_zero, short)
    slips.choose(Fault.UNIT_LOST_ZERO, rates.unit_lost_zero, _matches(unit, _SHORTENED_UNIT))
    both = _filled(number) & insured & has_room & _true(pc.greater_equal(table["exported_on"], _ONE_NUMBER_FROM))
    replaced = slips.choose(Fault.INSURANCE_IS_PERSONAL, rates.insurance_is_personal, both)
    slips.replace("insurance_number", replaced, number)


def _slip_in_names(slips: _Slips, rates: Rates) -> None:
    table, source = slips.table, slips.source
    if source.charset is Charset.UTF_8:
        name = next(name for name in _NAMES if name in table.column_names)
        names = table[name].combine_chunks()
        mixed = slips.choose(Fault.MIXED_SCRIPT, rates.mixed_script, _matches(names, _LATIN_A))
        slips.replace(name, mixed, pc.replace_substring_regex(names, _LATIN_A, _CYRILLIC_A, max_replacements=1))
        pasted = slips.choose(Fault.LEGACY_TEXT, rates.legacy_text, _is_telling(names) & ~mixed)
        slips.choose(Fault.INVISIBLE, rates.invisible, _filled(names) & ~pasted)
    units = _own(table, source, "unit_name")
    bare = slips.choose(Fault.BARE_UNIT_NAME, rates.bare_unit_name, _filled(units))
    slips.replace("unit_name", bare, pc.replace_substring_regex(table["unit_name"], ",.*", ""))


def _slip_in_lists(slips: _Slips, rates: Rates) -> None:
    slips.choose(Fault.UNLISTED_SEX, rates.unlisted_sex, _filled(_own_text(slips.table, slips.source, ("sex",))))
    if slips.source.ethnic_list is not None:
        other = _by_other_list(slips.table, slips.source)
        misread = slips.choose(Fault.WRONG_LIST, rates.wrong_list, _filled(other))
        slips.replace("ethnic_group", misread, other)


def _slip_in_relatives(slips: _Slips, rates: Rates) -> None:
    table, source = slips.table, slips.source
    if source.dialect.mapping_to("father_number") is not None:
        own = _own(table, source, "personal_number")
        chosen = slips.choose(Fault.OWN_PARENT, rates.own_parent, _filled(own))
        slips.replace("father_number", chosen, own)


def _slip_in_amounts(slips: _Slips, rates: Rates) -> None:
    amounts = _own(slips.table, slips.source, "contribution_salary")
    negative = slips.choose(Fault.AMOUNT_NEGATIVE, rates.amount_negative, _filled(amounts))
    tenfold = pc.multiply(amounts.cast(pa.int64()), 10)
    seen = _true(pc.greater(tenfold, MOST_LEVELS * LEVELS[-1][1])) & ~negative
    slips.replace("contribution_salary", slips.choose(Fault.AMOUNT_TENFOLD, rates.amount_tenfold, seen), tenfold)


def held_with_slips(rows: pa.Table, source: Source) -> pa.Table:
    """The rows as the file says them, as far as that is canonical: names and moments."""
    faults = rows["faults"].to_numpy()
    for name in _NAMES:
        if name in rows.column_names:
            rows = _with(rows, name, _names_with_slips(rows[name].combine_chunks(), faults))
    if source.dialect.mapping_to("source_version") is not None:
        exported = pc.cast(rows["exported_on"].cast(pa.int32()), pa.int64())
        ahead = pc.multiply(pc.add(exported, _DAYS_AHEAD), 86_400)
        rows = _with(rows, "source_version", pc.if_else(_has(faults, Fault.CLOCK_AHEAD), ahead, rows["source_version"]))
    return rows


def raw_with_slips(raw: pa.Table, rows: pa.Table, source: Source) -> pa.Table:
    """The source's own columns of the same rows, with what is wrong in their codes and numbers."""
    faults = rows["faults"].to_numpy()
    for target in _NUMBERS:
        raw = _changed(raw, source, target, _has(faults, Fault.NUMBER_TOO_LONG), lambda text: _joined(text, "7"))
        raw = _changed(raw, source, target, _has(faults, Fault.NUMBER_LOST_ZERO), _without_zeros)
    raw = _changed(raw, source, "unit_code", _has(faults, Fault.UNIT_LOST_ZERO), _without_zeros)
    below = _has(faults, Fault.AMOUNT_NEGATIVE)
    raw = _changed(raw, source, "contribution_salary", below, lambda text: pc.binary_join_element_wise("-", text, ""))
    unlisted = _has(faults, Fault.UNLISTED_SEX)
    return _changed(raw, source, "sex", unlisted, lambda text: pa.array([_UNLISTED] * len(text), pa.string()))


def _names_with_slips(names: pa.Array, faults: npt.NDArray[np.int64]) -> pa.Array:
    stroke = pc.replace_substring(names, "\u0110", "\u00d0")
    names = pc.if_else(_has(faults, Fault.D_STROKE), stroke, names)
    names = pc.if_else(_has(faults, Fault.NFD), pc.utf8_normalize(names, form="NFD"), names)
    spaced = pc.replace_substring(names, " ", f" {_ZERO_WIDTH_SPACE}", max_replacements=1)
    hidden = pc.binary_join_element_wise(_RIGHT_TO_LEFT, spaced, "")
    names = pc.if_else(_has(faults, Fault.INVISIBLE), hidden, names)
    pasted = _has(faults, Fault.LEGACY_TEXT)
    return pc.replace_with_mask(names, pasted, _in_latin_1(names.filter(pasted)))


def _in_latin_1(names: pa.Array) -> pa.Array:
    """TCVN3 text shown by a program that takes its bytes for Latin-1."""
    composed = pc.utf8_normalize(pc.replace_substring(names, "\u00d0", "\u0110"), form="NFC")
    shown = str.maketrans(_shown())
    return pa.array([name.translate(shown) for name in composed.to_pylist()], pa.string())


@cache
def _shown() -> dict[str, str]:
    """Letter → the Latin-1 letter that has its byte in TCVN3; capitals without a byte have that of the small one."""
    own = {letter: code.decode("latin-1") for letter, code in letters(Charset.TCVN3).items()}
    return {letter.upper(): sign for letter, sign in own.items()} | own


def _is_telling(names: pa.Array) -> Mask:
    """Whether a name, so shown, is no Vietnamese text, and not also one with an invisible character."""
    telling = "".join(letter for letter, sign in _shown().items() if sign in _TELLING - {_SOFT_HYPHEN})
    hidden = "".join(letter for letter, sign in _shown().items() if sign == _SOFT_HYPHEN)
    return _matches(names, f"[{telling}]") & ~_matches(names, f"[{hidden}]")


def _by_other_list(table: pa.Table, source: Source) -> pa.Array:
    """For each row the group that the official number of its own in the other list means in the declared one."""
    lists = {"ethnic.1979": "ethnic.census_2009", "ethnic.census_2009": "ethnic.1979"}
    if source.ethnic_list not in lists:
        return pa.nulls(table.num_rows, pa.string())
    declared, other = code_list(source.ethnic_list), code_list(lists[source.ethnic_list])
    number = {group: code for code, group in reversed(other.items()) if group is not None}
    misread = {group: declared.get(code) for group, code in number.items()}
    wrong = {group: found for group, found in misread.items() if found not in (None, group)}
    places = pc.index_in(table["ethnic_group"], value_set=pa.array(list(wrong), pa.string()), skip_nulls=True)
    return pa.array(list(wrong.values()), pa.string()).take(places.combine_chunks())


def _own(table: pa.Table, source: Source, target: str) -> pa.Array:
    """A canonical column that the source sends; nulls where it does not."""
    if target not in table.column_names or source.dialect.mapping_to(target) is None:
        return pa.nulls(table.num_rows)
    return table[target].combine_chunks()


def _own_text(table: pa.Table, source: Source, targets: tuple[str, ...]) -> pa.Array:
    """The first of some columns of text that the source sends and does not keep as numbers; nulls without one."""
    for target in targets:
        mapping = source.dialect.mapping_to(target)
        if mapping is not None and not mapping.is_number and mapping.targets[0] == target:
            return table[target].combine_chunks()
    return pa.nulls(table.num_rows, pa.string())


def _filled(values: pa.Array) -> Mask:
    return pc.is_valid(values).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _matches(values: pa.Array, pattern: str) -> Mask:
    return _true(pc.match_substring_regex(values, pattern))


def _true(mask: pa.Array | pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(mask, fill_value=False))


def _has(faults: npt.NDArray[np.int64], fault: Fault) -> pa.Array:
    return pa.array((faults & fault.value) != 0)


def _changed(
    raw: pa.Table, source: Source, target: str, chosen: pa.Array, change: Callable[[pa.Array], pa.Array]
) -> pa.Table:
    mapping = source.dialect.mapping_to(target)
    if mapping is None:
        return raw
    text = raw[mapping.name].combine_chunks()
    return _with(raw, mapping.name, pc.if_else(chosen, change(text), text))


def _joined(text: pa.Array, end: str) -> pa.Array:
    return pc.binary_join_element_wise(text, end, "")


def _without_zeros(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, "^0+", "")


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), values)
