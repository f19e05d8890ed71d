"""Which values a page hides until somebody asks for them, and how much of one is seen meanwhile."""

from collections.abc import Sequence

# First and last digit of what names a person.
NUMBERS = frozenset(
    {
        *("personal_number", "cmnd", "insurance_number", "health_card", "head_personal_number"),
        *("father_number", "mother_number", "spouse_number"),
    }
)
DAYS = frozenset({"birth", "died_on"})  # the year
HIDDEN = frozenset({"address", "ethnic_group", "contribution_salary", "first_clinic"})
MASKED = NUMBERS | DAYS | HIDDEN
MASK = "*"


def is_masked(field: str) -> bool:
    """Whether a field is hidden by default."""
    return field in MASKED


def hides(field: str, value: str) -> bool:
    """Whether something of a value is hidden while its field is masked."""
    return not all(seen(field, value))


def seen(field: str, letters: Sequence[str]) -> list[bool]:
    """Of each letter of a value whether it is seen while the field is masked."""
    last = len(letters) - 1
    if field in NUMBERS:
        return [place in {0, last} and last > 2 for place in range(len(letters))]
    if field in DAYS:
        year = _year(letters)
        return [letter in "/.-" or place in year for place, letter in enumerate(letters)]
    if field in HIDDEN:
        return [letter == " " for letter in letters]
    return [True] * len(letters)


def _year(letters: Sequence[str]) -> range:
    """Where the year of dd/mm/yyyy, mm/yyyy or yyyy stands: the last four."""
    return range(max(0, len(letters) - 4), len(letters))
