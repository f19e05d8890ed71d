"""Every share the simulator draws with, in one declared table: how people live, what changes, what goes wrong.

Shares are of what the comment names, between 0 and 1. A test counts each fault in what is written.
"""

from dataclasses import dataclass, replace
from enum import IntFlag


@dataclass(frozen=True)
class Rates:
    """Proportions of the made-up country and of the faults in its exports."""

    # People
    insured: float = 0.60  # of people have an insurance record
    twins: float = 0.012  # of people were born with another
    born_elsewhere: float = 0.10  # of people have a number registered in another former province
    has_cmnd: float = 0.80  # of people old enough to have been given the 9-digit card
    moved_within_province: float = 0.06  # of people, where formers were merged: still in the register they left
    moved_from_elsewhere: float = 0.003  # of people still in a register of another of the chosen provinces
    two_insurance_books: float = 0.015  # of the insured
    insured_where_they_left: float = 0.30  # of insured movers: the book stayed with the office they left

    # From 20 June to 15 August 2025
    born: float = 0.008  # of households have a new child
    died: float = 0.004  # of people: said where they lived, or sent no more; unknown where they had left
    moved_house: float = 0.012  # of households, inside their former province
    corrected: float = 0.02  # of records: what was wrong with them has been put right
    unverified_split: float = 0.40  # of residents of ambiguous splits: not yet verified, so not sent again
    recoded_communes: float = 0.60  # of communes of a system that declares no vintage
    number_replaced: float = 0.10  # of insurance records with both: the personal number has replaced the insurance one

    # Faults of a record, of all records in systems where the fault can occur
    number_absent: float = 0.08
    cmnd_only: float = 0.04
    year_only_birth: float = 0.05
    name_order: float = 0.005
    name_typo: float = 0.015
    tone_place: float = 0.02  # "hoà" for "hòa", where the name has such a syllable
    sex_digit: float = 0.003  # the sex on record is not that of the number
    birth_disagrees: float = 0.005  # card against register: day and month changed over
    two_numbers: float = 0.002  # a second, wrong personal number
    shared_cmnd: float = 0.002  # the CMND of somebody else
    capitals: float = 0.10  # the name is typed in capitals
    nfd: float = 0.01  # decomposed Unicode (not in TCVN3)
    d_stroke: float = 0.10  # Ð U+00D0 for Đ, where the name has one (not in TCVN3)
    homonym_commune: float = 0.001  # the commune of the same name elsewhere in the province
    retired_code: float = 0.003  # a code closed in 2023–2025 (as far as there are enough such communes)
    district_code: float = 0.002  # a district's code in the commune field (not where codes are kept as numbers)
    old_code_after_merger: float = 0.01  # after 1 July, from a system that sends new codes
    date_impossible: float = 0.002  # 31 February
    relative_misspelt: float = 0.03  # a slip in the name of the father, the mother or the spouse

    # Slips of one export, of the records in which they can occur (`slips.py`); the register itself is not wrong
    number_lost_zero: float = 0.004  # a spreadsheet made the personal number an integer
    unit_lost_zero: float = 0.002  # and the unit code
    number_too_long: float = 0.001  # a thirteenth digit
    invisible: float = 0.002  # zero-width and direction-changing characters in the name
    legacy_text: float = 0.0005  # the name is pasted from a TCVN3 document
    mixed_script: float = 0.0005  # a letter of the name is the Cyrillic one that looks the same
    insurance_is_personal: float = 0.002  # since 1 August 2025: the personal number in the insurance number's column
    wrong_list: float = 0.002  # the ethnic group by the other official numbering
    bare_unit_name: float = 0.05  # a name without its district and province (where units are named)
    unlisted_sex: float = 0.001  # a code that no list has
    clock_ahead: float = 0.001  # changed after the day of export
    period_reversed: float = 0.001  # of insurance: ends before it begins
    own_parent: float = 0.0005  # the person's own number in the father's column
    amount_negative: float = 0.001  # of sums: a correction in place of the sum
    amount_tenfold: float = 0.001  # of sums: a zero too many

    # Faults of delivery, of the records of one export
    key_missing: float = 0.002  # extra rows, at least one a system
    sent_twice: float = 0.002  # extra rows in the same file, at least one a system
    resent_old: float = 0.01  # old versions sent again after the new ones, in a file of their own
    resent_same: float = 0.01  # the same version once more, in that file


RATES = Rates()

# Everything that can go wrong goes wrong often: for tests of whoever must notice.
HEAVY = replace(
    RATES, number_absent=0.1, cmnd_only=0.1, year_only_birth=0.1, name_order=0.05, name_typo=0.05, tone_place=0.3,
    sex_digit=0.1, birth_disagrees=0.05, two_numbers=0.05, shared_cmnd=0.1, capitals=0.2, nfd=0.2, d_stroke=0.5,
    homonym_commune=0.1, retired_code=0.1, district_code=0.1, old_code_after_merger=0.1, date_impossible=0.1,
    number_lost_zero=0.1, unit_lost_zero=0.1, number_too_long=0.1, invisible=0.1, legacy_text=0.05, mixed_script=0.05,
    insurance_is_personal=0.1, wrong_list=0.2, bare_unit_name=0.3, unlisted_sex=0.1, clock_ahead=0.1,
    period_reversed=0.1, relative_misspelt=0.2, own_parent=0.1, amount_negative=0.1, amount_tenfold=0.1,
    key_missing=0.02, sent_twice=0.02, resent_old=0.05, resent_same=0.05,
)  # fmt: skip


class Fault(IntFlag):
    """What is wrong with a record as a system holds or sends it; kept with the truth, never sent."""

    NUMBER_ABSENT = 1 << 0
    CMND_ONLY = 1 << 1
    YEAR_ONLY_BIRTH = 1 << 2
    NAME_ORDER = 1 << 3
    NAME_TYPO = 1 << 4
    TONE_PLACE = 1 << 5
    SEX_DIGIT = 1 << 6
    BIRTH_DISAGREES = 1 << 7
    TWO_NUMBERS = 1 << 8
    SHARED_CMND = 1 << 9
    CAPITALS = 1 << 10
    NFD = 1 << 11
    D_STROKE = 1 << 12
    HOMONYM_COMMUNE = 1 << 13
    RETIRED_CODE = 1 << 14
    DISTRICT_CODE = 1 << 15
    OLD_CODE_AFTER_MERGER = 1 << 16
    DATE_IMPOSSIBLE = 1 << 17
    KEY_MISSING = 1 << 18
    SENT_TWICE = 1 << 19
    RESENT_OLD = 1 << 20
    RESENT_SAME = 1 << 21

    NUMBER_LOST_ZERO = 1 << 22
    UNIT_LOST_ZERO = 1 << 23
    NUMBER_TOO_LONG = 1 << 24
    INVISIBLE = 1 << 25
    LEGACY_TEXT = 1 << 26
    WRONG_LIST = 1 << 27
    UNLISTED_SEX = 1 << 28
    CLOCK_AHEAD = 1 << 29
    PERIOD_REVERSED = 1 << 30
    BARE_UNIT_NAME = 1 << 31
    MIXED_SCRIPT = 1 << 32
    INSURANCE_IS_PERSONAL = 1 << 33
    RELATIVE_MISSPELT = 1 << 34
    OWN_PARENT = 1 << 35
    AMOUNT_NEGATIVE = 1 << 36
    AMOUNT_TENFOLD = 1 << 37


# Faults after which the canonical row no longer equals what the system holds: the reader refuses or empties something.
UNREADABLE = (
    Fault.DATE_IMPOSSIBLE | Fault.KEY_MISSING | Fault.SENT_TWICE | Fault.NUMBER_TOO_LONG | Fault.LEGACY_TEXT
    | Fault.UNLISTED_SEX | Fault.CLOCK_AHEAD | Fault.AMOUNT_NEGATIVE
)  # fmt: skip
