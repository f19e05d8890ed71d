"""Pairs ──► the level each comparison reaches: declared as a table, compiled to one DuckDB expression each.

A comparison's levels are tried in order and the first that holds is reached; level 0 is "not comparable" and
weighs nothing. A level may carry a fixed weight; the others are taught (teaching.py). `l` and `r` are the two
candidates, `kin` the number of people their households share.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One outcome of a comparison. `when` is SQL over l, r and kin; vi and en say it in a sentence."""

    name: str
    when: str
    vi: str
    en: str
    weight: float | None = None  # log2, fixed; None when it is taught
    floor: float = -12.0  # a taught weight is kept within these, whatever one pool's pairs say
    ceiling: float = 14.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One piece of evidence. `missing` is SQL for "not comparable"; the last level's `when` is always "true"."""

    name: str
    vi: str
    en: str
    missing: str
    levels: tuple[Level, ...]
    is_falling: bool = False  # taught weights never rise along the levels


# The number is evidence of its own, by stated weights: it is also the label that teaches all the others.
# There is no level for its first six digits: they only repeat birth place, sex and year.
_ADJACENT = "l.number_stem = r.number_stem and abs(l.number_serial - r.number_serial) <= 3"
PERSONAL_NUMBER = Comparison(
    name="personal_number",
    vi="số định danh",
    en="personal number",
    missing="l.personal_number is null or r.personal_number is null",
    levels=(
        Level(
            name="equal",
            when="l.personal_number = r.personal_number "
            "and coalesce(l.number_agrees, true) and coalesce(r.number_agrees, true)",
            weight=14.0,
            vi="trùng số định danh",
            en="equal personal numbers",
        ),
        Level(
            name="equal_contradicted",
            when="l.personal_number = r.personal_number",
            weight=9.0,
            vi="trùng số định danh nhưng số không khớp giới tính hoặc năm sinh của hồ sơ",
            en="equal personal numbers that contradict a record's own sex or year",
        ),
        Level(
            name="adjacent",
            when=_ADJACENT,
            weight=-6.0,
            vi="số định danh liền kề",
            en="adjacent serial numbers",
        ),
        Level(
            name="slip",
            when="(l.number_stem = r.number_stem or l.number_serial = r.number_serial) "
            "and damerau_levenshtein(l.personal_number, r.personal_number) = 1",
            weight=-2.0,
            vi="số định danh lệch một chữ số",
            en="personal numbers one slip apart",
        ),
        Level(
            name="different_contradicted",
            when="not (coalesce(l.number_agrees, true) and coalesce(r.number_agrees, true))",
            weight=-5.0,
            vi="số định danh khác nhau, một số không khớp hồ sơ của chính nó",
            en="different personal numbers, one of which contradicts its own record",
        ),
        Level(
            name="different", when="true", weight=-12.0, vi="số định danh khác nhau", en="different personal numbers"
        ),
    ),
)

_NAMED = "l.name_set = r.name_set"
NAME = Comparison(
    name="name",
    vi="họ tên",
    en="name",
    missing="l.name is null or r.name is null",
    levels=(
        Level(name="equal", when="l.name = r.name", vi="cùng họ tên", en="same name"),
        Level(
            name="i_for_y",
            when="l.name_i_for_y = r.name_i_for_y",
            vi="họ tên chỉ khác i/y",
            en="names differ by i/y only",
        ),
        Level(
            name="marks_lost",
            when="l.name_bare = r.name_bare and not (l.is_marked and r.is_marked)",
            vi="cùng họ tên, một bên mất dấu",
            en="same name, one written without marks",
        ),
        Level(
            name="other_marks",
            when="l.name_bare = r.name_bare and l.given = r.given",
            vi="họ tên chỉ khác dấu, tên giống nhau",
            en="names differ by marks, given name equal",
        ),
        Level(
            name="other_given_marks",
            when="l.name_bare = r.name_bare",
            vi="tên khác dấu",
            en="given names differ by marks",
        ),
        Level(name="reordered", when=_NAMED, vi="cùng các chữ, khác thứ tự", en="same words in another order"),
        Level(
            name="respaced",
            when="l.name_unspaced = r.name_unspaced",
            vi="cùng các chữ cái, khác khoảng trắng",
            en="same letters, other spaces",
        ),
        Level(
            name="slip",
            when="l.given_bare = r.given_bare and damerau_levenshtein(l.before_given_bare, r.before_given_bare) <= 1",
            vi="họ hoặc đệm lệch một chữ cái",
            en="family or middle name one letter apart",
        ),
        Level(
            name="slip_in_given",
            when="l.before_given_bare = r.before_given_bare and damerau_levenshtein(l.given_bare, r.given_bare) <= 1",
            vi="tên lệch một chữ cái",
            en="given name one letter apart",
        ),
        Level(
            name="part_missing",
            when="l.given_bare = r.given_bare and (list_has_all(l.words, r.words) or list_has_all(r.words, l.words))",
            vi="một bên thiếu đệm",
            en="one lacks a part of the name",
        ),
        Level(
            name="given_and_family",
            when="l.given_bare = r.given_bare and l.family_bare = r.family_bare",
            vi="cùng họ và tên, khác đệm",
            en="family and given name equal, middle name not",
        ),
        Level(name="given", when="l.given_bare = r.given_bare", vi="chỉ cùng tên", en="given name only"),
        Level(name="different", when="true", vi="họ tên khác nhau", en="different names"),
    ),
)

# Joint rarity of name and birth year in this pool, where the names agree: a name of many says little.
_NAMESAKES = "greatest(coalesce(l.namesakes, 0), coalesce(r.namesakes, 0))"
RARITY = Comparison(
    name="rarity",
    vi="độ hiếm của họ tên và năm sinh",
    en="rarity of name and birth year",
    missing=f"not coalesce({_NAMED}, false) or {_NAMESAKES} = 0",
    levels=tuple(
        Level(
            name=f"up_to_{most}" if most else "many",
            when=f"{_NAMESAKES} <= {most}" if most else "true",
            vi=f"nhiều nhất {most} hồ sơ cùng họ tên và năm sinh"
            if most
            else "rất nhiều hồ sơ cùng họ tên và năm sinh",
            en=f"at most {most} records of that name and year" if most else "very many records of that name and year",
        )
        for most in (3, 6, 12, 24, 48, 0)
    ),
    is_falling=True,
)

BIRTH = Comparison(
    name="birth",
    vi="ngày sinh",
    en="birth date",
    missing="l.birth_year is null or r.birth_year is null",
    levels=(
        Level(
            name="first_january",
            when="l.birth_year = r.birth_year and (l.is_first_january or r.is_first_january)",
            vi="cùng năm sinh, có bên ghi 01/01",
            en="same year, at least one says 1 January",
        ),
        Level(name="equal", when="l.birth_date = r.birth_date", vi="cùng ngày sinh", en="same birth date"),
        Level(
            name="year",
            when="l.birth_year = r.birth_year and (l.birth_date is null or r.birth_date is null) "
            "and coalesce(l.birth_month = r.birth_month, true)",
            vi="cùng năm sinh, có bên chỉ ghi năm",
            en="same year, at least one gives no day",
        ),
        Level(
            name="swapped",
            when="l.birth_year = r.birth_year and l.birth_month = r.birth_day and l.birth_day = r.birth_month",
            vi="đảo ngày và tháng",
            en="day and month swapped",
        ),
        Level(
            name="two_parts",
            when="(l.birth_year = r.birth_year)::integer + coalesce(l.birth_month = r.birth_month, false)::integer "
            "+ coalesce(l.birth_day = r.birth_day, false)::integer = 2",
            vi="khớp hai trong ba phần của ngày sinh",
            en="two of day, month and year equal",
        ),
        Level(name="same_year", when="l.birth_year = r.birth_year", vi="chỉ cùng năm sinh", en="only the year equal"),
        Level(
            name="year_near",
            when="abs(l.birth_year - r.birth_year) = 1",
            vi="năm sinh lệch một",
            en="birth years one apart",
        ),
        Level(name="different", when="true", vi="ngày sinh khác nhau", en="different birth dates"),
    ),
)

SEX = Comparison(
    name="sex",
    vi="giới tính",
    en="sex",
    missing="l.sex is null or r.sex is null",
    levels=(
        Level(name="equal", when="l.sex = r.sex", vi="cùng giới tính", en="same sex"),
        Level(name="different", when="true", vi="khác giới tính", en="different sex"),
    ),
)

# Equal old card numbers count only beside name and birth: the same nine digits were issued twice.
CMND = Comparison(
    name="cmnd",
    vi="số CMND",
    en="CMND",
    missing="l.cmnd is null or r.cmnd is null",
    levels=(
        Level(
            name="equal",
            when="l.cmnd = r.cmnd and l.birth_year = r.birth_year "
            "and (l.name_set = r.name_set or l.given_bare = r.given_bare)",
            vi="trùng CMND, hợp với tên và năm sinh",
            en="equal CMND, name and birth year agreeing",
        ),
        Level(
            name="equal_alone",
            when="l.cmnd = r.cmnd",
            weight=0.0,
            vi="trùng CMND nhưng tên hoặc năm sinh không hợp: không tính",
            en="equal CMND without name and birth: not counted",
        ),
        # A card was renewed on moving, so another number is weak evidence.
        Level(name="different", when="true", vi="CMND khác nhau", en="different CMND", floor=-3.0),
    ),
)

INSURANCE_NUMBER = Comparison(
    name="insurance_number",
    vi="mã số BHXH",
    en="insurance number",
    missing="l.insurance_number is null or r.insurance_number is null",
    levels=(
        Level(
            name="equal",
            when="l.insurance_number = r.insurance_number",
            vi="trùng mã số BHXH",
            en="equal insurance numbers",
        ),
        # One person may hold two books.
        Level(name="different", when="true", vi="mã số BHXH khác nhau", en="different insurance numbers", floor=-4.0),
    ),
)

PLACE = Comparison(
    name="place",
    vi="nơi cư trú",
    en="place",
    missing="(l.unit is null or r.unit is null) and (l.former_unit is null or r.former_unit is null)",
    levels=(
        Level(
            name="hamlet",
            when="l.hamlet = r.hamlet and (l.former_unit = r.former_unit or l.unit = r.unit)",
            vi="cùng thôn, tổ trong một xã",
            en="same hamlet of one commune",
        ),
        Level(name="former_unit", when="l.former_unit = r.former_unit", vi="cùng xã cũ", en="same former commune"),
        Level(name="unit", when="l.unit = r.unit", vi="cùng xã hiện nay", en="same commune of today"),
        Level(name="different", when="true", vi="khác xã", en="different communes"),
    ),
)

# How many others the two households share: the pair itself, when it agrees on name and year, is not counted.
_OTHERS = "coalesce(kin.shared, 0) - coalesce(l.namesake = r.namesake and kin.shared is not null, false)::integer"
# Book numbers are given out commune by commune, and clash between communes.
_ONE_BOOK = (
    "l.household_number = r.household_number and l.former_province = r.former_province "
    "and coalesce(l.former_unit = r.former_unit, l.unit = r.unit, false)"
)
_FAMILY_CEILING = 6.0  # a shared home speaks of the family, hardly of the person
HOUSEHOLD = Comparison(
    name="household",
    vi="hộ gia đình",
    en="household",
    missing="l.household is null or r.household is null",
    levels=(
        Level(
            name="members",
            when="l.household = r.household",
            vi="hai người trong một hộ",
            en="two entries of one household book",
        ),
        Level(
            name="two_others",
            when=f"{_OTHERS} >= 2",
            vi="hai hộ chung từ hai người khác",
            en="households share two others or more",
            ceiling=_FAMILY_CEILING,
        ),
        Level(
            name="one_other",
            when=f"{_OTHERS} = 1",
            vi="hai hộ chung một người khác",
            en="households share one other",
            ceiling=_FAMILY_CEILING,
        ),
        Level(
            name="number",
            when=_ONE_BOOK,
            vi="cùng số hộ trong một xã",
            en="same household number in one commune",
            ceiling=_FAMILY_CEILING,
        ),
        Level(
            name="alone",
            when="l.household_size = 1 or r.household_size = 1",
            vi="hộ một người",
            en="a household of one",
        ),
        Level(name="different", when="true", vi="hai hộ không chung ai khác", en="households share nobody else"),
    ),
)

# One system seldom holds a person twice, and one former province's systems mostly hold the same people.
SYSTEMS = Comparison(
    name="systems",
    vi="hệ thống nguồn",
    en="source systems",
    missing="false",
    levels=(
        Level(name="one_source", when="l.source = r.source", vi="cùng một nguồn", en="one source"),
        Level(
            name="one_province",
            when="l.former_province = r.former_province",
            vi="hai hệ thống của một tỉnh cũ",
            en="two systems of one former province",
        ),
        Level(name="two_provinces", when="true", vi="hai tỉnh cũ", en="two former provinces"),
    ),
)

COMPARISONS: tuple[Comparison, ...] = (
    PERSONAL_NUMBER, NAME, RARITY, BIRTH, SEX, CMND, INSURANCE_NUMBER, PLACE, HOUSEHOLD, SYSTEMS,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Veto:
    """What forbids a link whatever the weight: the pair goes to a person with this as the reason."""

    name: str
    when: str
    vi: str
    en: str


_ONE_FAMILY = f"(l.household = r.household or {_OTHERS} >= 1 or ({_ONE_BOOK}))"
_OTHER_NAME = "l.name_set <> r.name_set and l.name_unspaced <> r.name_unspaced"
_NO_NUMBER_AGREES = " and ".join(
    f"coalesce(l.{number} <> r.{number}, true)" for number in ("personal_number", "insurance_number")
)
# Whoever shares a home shares evidence that is not about the person. An equal number of either kind outranks likeness.
VETOES: tuple[Veto, ...] = (
    Veto(
        name="twins",
        when=f"l.birth_date = r.birth_date and {_OTHER_NAME} "
        f"and (({_ONE_FAMILY} and l.given_bare <> r.given_bare) or ({_ADJACENT})) and {_NO_NUMBER_AGREES}",
        vi="cùng ngày sinh, cùng gia đình, khác tên: có thể là sinh đôi",
        en="same birth date and family, other name: possibly twins",
    ),
    Veto(
        name="generations",
        when="abs(l.birth_year - r.birth_year) > 12 and not coalesce(l.birth_month = r.birth_month "
        f"and l.birth_day = r.birth_day, false) and l.name_set = r.name_set and {_ONE_FAMILY} and {_NO_NUMBER_AGREES}",
        vi="cùng họ tên, cùng gia đình, năm sinh cách xa nhau: có thể là hai thế hệ",
        en="same name and family, birth years far apart: possibly two generations",
    ),
)


def level_sql(comparison: Comparison) -> str:
    """The level reached, 0 for not comparable and else 1 + the position in `levels`."""
    tried = " ".join(f"when {level.when} then {position}" for position, level in enumerate(comparison.levels, start=1))
    return f"(case when {comparison.missing} then 0 {tried} end)::utinyint"


def veto_sql(vetoes: tuple[Veto, ...] = VETOES) -> str:
    """The first veto that holds, 0 for none and else 1 + its position."""
    tried = " ".join(f"when {veto.when} then {position}" for position, veto in enumerate(vetoes, start=1))
    return f"(case {tried} else 0 end)::utinyint"


def compared_sql(pairs: str, comparisons: tuple[Comparison, ...] = COMPARISONS) -> str:
    """A query of (one, other, rule, veto, one column of levels per comparison) over the pairs of the query `pairs`."""
    levels = ",\n".join(f"{level_sql(comparison)} as {comparison.name}" for comparison in comparisons)
    return f"""
        select pairs.one, pairs.other, pairs.rule, {veto_sql()} as veto, {levels}
        from ({pairs}) as pairs
        join candidates as l on l.row = pairs.one
        join candidates as r on r.row = pairs.other
        left join kin on kin.one = least(l.household, r.household) and kin.other = greatest(l.household, r.household)
    """
