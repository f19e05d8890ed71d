"""What normalising must say about each fault, and what then is not true in the canonical row: one table.

A fault without a code cannot be seen in one record; `seen_by` says what does see it. Tests hold every system to it.
"""

from dataclasses import dataclass

from adapters.simulator.rates import Fault

_NUMBER = ("personal_number", "head_personal_number")
_NAME = ("full_name", "head_name")
_RELATIVES = ("father_name", "mother_name", "spouse_name")
_BIRTH = ("birth_year", "birth_month", "birth_day")
_NONE = Fault(0)
_UNIT = ("unit_code", "unit_name")


@dataclass(frozen=True)
class Verdict:
    """Columns are canonical; a system has only some of them, and a finding names the source's own column."""

    code: str | None = None  # of adapters.findings.CATALOGUE
    told_on: tuple[str, ...] = ()  # the columns whose source column the finding names
    may_say: tuple[str, ...] = ()  # further codes there, where the value happens to show it
    hidden_by: Fault = _NONE  # faults that leave nothing to be seen
    spoils: tuple[str, ...] = ()  # columns that do not say the truth: what the source claims stands, or null
    empties: tuple[str, ...] = ()  # of these, the ones that are null
    is_held_back: bool = False  # the row is in quarantine
    seen_by: str = "the finding"


VERDICTS: dict[Fault, Verdict] = {
    # What the register holds
    Fault.NUMBER_ABSENT: Verdict(spoils=(*_NUMBER, "cmnd"), empties=_NUMBER, seen_by="linkage, by name and birth"),
    Fault.CMND_ONLY: Verdict(spoils=("personal_number", "cmnd"), empties=("personal_number",), seen_by="linkage"),
    Fault.YEAR_ONLY_BIRTH: Verdict(
        spoils=("birth_month", "birth_day"), empties=("birth_month", "birth_day"), seen_by="linkage, with less weight"
    ),
    Fault.NAME_ORDER: Verdict(spoils=_NAME, seen_by="linkage, by sets of words"),
    Fault.NAME_TYPO: Verdict(spoils=_NAME, seen_by="linkage"),
    Fault.TONE_PLACE: Verdict(spoils=_NAME, seen_by="linkage: both spellings fold to one"),
    Fault.CAPITALS: Verdict(spoils=(*_NAME, *_RELATIVES), seen_by="linkage: case is folded"),
    Fault.SEX_DIGIT: Verdict(
        code="ID_INCONSISTENT",
        told_on=("personal_number",),
        hidden_by=Fault.NUMBER_ABSENT | Fault.CMND_ONLY | Fault.NUMBER_TOO_LONG | Fault.UNLISTED_SEX,
    ),
    Fault.BIRTH_DISAGREES: Verdict(
        told_on=("birth_year",),
        may_say=("BIRTH_AFTER_EVENT",),
        spoils=("birth_month", "birth_day"),
        seen_by="a conflict, card against register",
    ),
    Fault.TWO_NUMBERS: Verdict(spoils=("personal_number",), seen_by="a conflict, two numbers for one person"),
    Fault.SHARED_CMND: Verdict(spoils=("cmnd",), seen_by="linkage: a CMND matches only with name and birth"),
    Fault.HOMONYM_COMMUNE: Verdict(spoils=_UNIT, seen_by="a conflict of residence"),
    Fault.RETIRED_CODE: Verdict(spoils=_UNIT, seen_by="resolution: retired codes are followed"),
    Fault.DISTRICT_CODE: Verdict(code="UNIT_IS_DISTRICT", told_on=("unit_code",), spoils=_UNIT),
    Fault.OLD_CODE_AFTER_MERGER: Verdict(spoils=_UNIT, seen_by="resolution: the code is of the other list"),
    Fault.DATE_IMPOSSIBLE: Verdict(code="DATE_INVALID", told_on=("birth_year",), spoils=_BIRTH, empties=_BIRTH),
    Fault.RELATIVE_MISSPELT: Verdict(spoils=_RELATIVES, seen_by="linkage"),
    # How it is typed: repaired, and reported once a column
    Fault.NFD: Verdict(code="COMPOSED", told_on=_NAME, hidden_by=Fault.LEGACY_TEXT),
    Fault.D_STROKE: Verdict(code="DSTROKE_REPLACED", told_on=_NAME, hidden_by=Fault.LEGACY_TEXT),
    # Slips of one export
    Fault.NUMBER_LOST_ZERO: Verdict(code="LEADING_ZERO_MISSING", told_on=_NUMBER),
    Fault.UNIT_LOST_ZERO: Verdict(code="LEADING_ZERO_MISSING", told_on=("unit_code",)),
    Fault.NUMBER_TOO_LONG: Verdict(code="ID_FORMAT", told_on=_NUMBER, spoils=(*_NUMBER, "cmnd"), empties=_NUMBER),
    Fault.INVISIBLE: Verdict(code="INVISIBLE_CHARACTER", told_on=_NAME),
    Fault.LEGACY_TEXT: Verdict(code="LEGACY_ENCODING", told_on=_NAME, spoils=_NAME, is_held_back=True),
    Fault.MIXED_SCRIPT: Verdict(code="MIXED_SCRIPT", told_on=_NAME, spoils=_NAME),
    Fault.INSURANCE_IS_PERSONAL: Verdict(
        code="INSURANCE_IS_PERSONAL", told_on=("insurance_number",), spoils=("insurance_number",)
    ),
    Fault.WRONG_LIST: Verdict(spoils=("ethnic_group",), seen_by="the shares of groups, against those of the province"),
    Fault.BARE_UNIT_NAME: Verdict(spoils=("unit_name",), seen_by="resolution: open where several places have the name"),
    Fault.UNLISTED_SEX: Verdict(code="CODE_UNKNOWN", told_on=("sex",), spoils=("sex",), empties=("sex",)),
    Fault.CLOCK_AHEAD: Verdict(
        code="DATE_IN_FUTURE",
        told_on=("source_version",),
        spoils=("source_version", "event_date"),
        empties=("event_date",),
    ),
    Fault.PERIOD_REVERSED: Verdict(code="PERIOD_REVERSED", told_on=("valid_to",), spoils=("valid_from", "valid_to")),
    Fault.OWN_PARENT: Verdict(
        code="OWN_PARENT", told_on=("father_number",), hidden_by=Fault.NUMBER_TOO_LONG, spoils=("father_number",)
    ),
    Fault.AMOUNT_NEGATIVE: Verdict(
        code="AMOUNT_NEGATIVE",
        told_on=("contribution_salary",),
        spoils=("contribution_salary",),
        empties=("contribution_salary",),
    ),
    Fault.AMOUNT_TENFOLD: Verdict(
        code="AMOUNT_OUT_OF_RANGE", told_on=("contribution_salary",), spoils=("contribution_salary",)
    ),
    # Delivery
    Fault.KEY_MISSING: Verdict(code="KEY_MISSING", told_on=("source_record_id",), is_held_back=True),
    Fault.SENT_TWICE: Verdict(code="DUPLICATE_IN_BATCH", told_on=("source_record_id",), is_held_back=True),
    Fault.RESENT_OLD: Verdict(seen_by="landing: a later version stands"),
    Fault.RESENT_SAME: Verdict(seen_by="landing: the same version with the same content"),
}


def spoiling(column: str) -> Fault:
    """The faults after which a canonical column does not say the truth."""
    found = _NONE
    for fault, verdict in VERDICTS.items():
        if column in verdict.spoils:
            found |= fault
    return found
