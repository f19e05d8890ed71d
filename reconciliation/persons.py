"""Persons: which pairs of records are worth comparing, what is compared and what forbids a link, in one declaration."""

from reconciliation.blocking import BlockingRule
from reconciliation.candidates import (
    COUNTED,
    DERIVATION,
    LARGEST_HOUSEHOLD,
    MOST_NAMESAKES,
    RECORDS,
    WORD,
    count,
    counted,
    derive,
    derived_sql,
    entered,
    tally,
)
from reconciliation.comparing import Veto
from reconciliation.evidence import ADJACENT, COMPARISONS, GIVEN_SLIP, ONE_BOOK, OTHERS, PERSONAL_NUMBER, UNUSUAL
from reconciliation.linkage import Homes, Linkage, Lookup, Single

# `name_letters` are the letters of a name in alphabetical order: words in another order, a lost space and two letters
# changed over leave it as it is.
RULES: tuple[BlockingRule, ...] = (
    BlockingRule(name="insurance_number", columns=("insurance_number",), cap=40),
    BlockingRule(name="cmnd", columns=("cmnd",), cap=40),
    BlockingRule(name="given_name_birth_date", columns=("given_bare", "birth_date")),
    BlockingRule(name="name_unit", columns=("name_letters", "unit")),
    BlockingRule(name="name_former_unit", columns=("name_letters", "former_unit")),
    BlockingRule(name="name_birth_year", columns=("name_letters", "birth_year")),
    BlockingRule(name="initials_birth_date", columns=("initials", "birth_date")),
    BlockingRule(name="initials_birth_year_unit", columns=("initials", "birth_year", "unit")),
    BlockingRule(name="household_birth_date", columns=("household", "birth_date")),
    BlockingRule(name="personal_number", columns=("any_number",), cap=40, teaches=False),
)

_ONE_FAMILY = (
    f"(l.household = r.household or {OTHERS} >= 1 or ({ONE_BOOK}) "
    "or l.father_name = r.father_name or l.mother_name = r.mother_name)"
)
_ONE_PLACE = "coalesce(l.unit = r.unit or l.former_unit = r.former_unit, false)"
_OTHER_NAME = "l.name_set <> r.name_set and l.name_letters <> r.name_letters and l.name_unspaced <> r.name_unspaced"
_OTHER_GIVEN = "l.given_bare <> r.given_bare"
_NO_NUMBER_AGREES = " and ".join(
    f"coalesce(l.{number} <> r.{number}, true)" for number in ("personal_number", "insurance_number")
)
_A_NUMBER_AGREES = "(l.personal_number = r.personal_number or l.insurance_number = r.insurance_number)"
# Family names alike and given names that no slip turns into each other.
_ANOTHER_CHILD = (
    f"{_OTHER_NAME} and damerau_levenshtein(l.family_bare, r.family_bare) <= 1 "
    "and damerau_levenshtein(l.given_bare, r.given_bare) > 1 "
    f"and (not {UNUSUAL} or damerau_levenshtein(l.name_unspaced, r.name_unspaced) > 2)"
)
_OTHER_MARKS = "(l.name_bare = r.name_bare and l.given <> r.given and l.is_marked and r.is_marked)"
_TWINS = (
    f"((({_OTHER_NAME} and ({_OTHER_GIVEN} or not {UNUSUAL})) or {_OTHER_MARKS}) and {_ONE_FAMILY}) "
    f"or ({_OTHER_NAME} and {_OTHER_GIVEN} and not {UNUSUAL} and {_ONE_PLACE})"
)
# Whoever shares a home shares evidence that is not about the person. An equal number of either kind outranks likeness.
VETOES: tuple[Veto, ...] = (
    Veto(
        name="twins",
        when=f"l.birth_date = r.birth_date and ({_TWINS}) and {_NO_NUMBER_AGREES}",
        vi="cùng ngày sinh, cùng gia đình, khác tên: có thể là sinh đôi",
        en="same birth date and family, other name: possibly twins",
    ),
    Veto(
        name="adjacent_numbers",
        when=f"l.birth_date = r.birth_date and {ADJACENT} and l.number_serial <> r.number_serial "
        f"and {_NO_NUMBER_AGREES}",
        vi="cùng ngày sinh, số định danh liền kề: có thể là sinh đôi",
        en="same birth date, adjacent personal numbers: possibly twins",
        is_by_label=True,
    ),
    # A clerk who has the papers of two children on the desk writes the number of one on both.
    Veto(
        name="siblings_number",
        when=f"{_A_NUMBER_AGREES} and {_ANOTHER_CHILD}",
        vi="trùng số nhưng cùng họ mà tên khác hẳn: có thể là số của anh chị em",
        en="equal numbers, but another given name of one family: possibly the number of a brother or sister",
        is_by_label=True,
    ),
    Veto(
        name="unknown_name",
        when=f"{_OTHER_NAME} and {GIVEN_SLIP} and l.birth_year = r.birth_year and not (l.is_many or r.is_many) "
        f"and not coalesce(l.birth_date = r.birth_date, false) and {_NO_NUMBER_AGREES}",
        vi="tên lệch một chữ cái, còn quá ít hồ sơ để biết là lỗi hay là tên khác",
        en="given name one letter apart, and too few records yet to tell a slip from another name",
        parts=False,  # too little is known to join them, and as little to keep them apart
    ),
    # Of a name that nobody else here bears nobody knows yet how many do.
    Veto(
        name="unknown_rarity",
        when="l.birth_year = r.birth_year and not (l.is_many or r.is_many) "
        "and not coalesce(l.birth_date = r.birth_date, false) "
        "and not coalesce(l.cmnd = r.cmnd, false) and not coalesce(l.hamlet = r.hamlet, false) "
        f"and not coalesce({_ONE_FAMILY}, false) and {_NO_NUMBER_AGREES}",
        vi="không trùng ngày sinh, số, thôn hay gia đình, còn quá ít hồ sơ để biết họ tên này có hiếm không",
        en="no equal birth date, number, hamlet or family, and too few records yet to tell whether the name is rare",
        parts=False,
    ),
    Veto(
        name="generations",
        when="abs(l.birth_year - r.birth_year) > 12 and not coalesce(l.birth_month = r.birth_month "
        f"and l.birth_day = r.birth_day, false) and l.name_set = r.name_set and {_ONE_FAMILY} and {_NO_NUMBER_AGREES}",
        vi="cùng họ tên, cùng gia đình, năm sinh cách xa nhau: có thể là hai thế hệ",
        en="same name and family, birth years far apart: possibly two generations",
    ),
)


PERSONS = Linkage(
    name="persons",
    records=RECORDS,
    derive=derive,
    single=Single(entered=entered, query=derived_sql()),
    tally=tally,
    count=count,
    counted=counted,
    tallied=tuple(COUNTED),
    word=WORD,
    derivation=DERIVATION,
    homes=Homes(
        home="household",
        member="namesake",
        members="namesakes",
        most_members=MOST_NAMESAKES,
        fewest=2,
        most=LARGEST_HOUSEHOLD,
        size="household_size",
        shared="kin.shared",
    ),
    comparisons=COMPARISONS,
    rules=RULES,
    vetoes=VETOES,
    label=PERSONAL_NUMBER.name,
    equal=("equal", "equal_contradicted"),
    joins="left join kin on kin.one = least(l.household, r.household) "
    "and kin.other = greatest(l.household, r.household)",
    lookups=(
        Lookup(
            reads="kin.shared",
            column="kin_homes",
            column_sql="(select map_from_entries(list({'k': home, 'v': shared} order by home)) from ("
            "select one, other as home, shared from kin union all select other, one, shared from kin) "
            "where one = l.household)",
            between="l.kin_homes[r.household]",
        ),
    ),
    numbers="select record_key, personal_number from candidates "
    "where personal_number is not null and coalesce(number_agrees, false) order by row",
)
