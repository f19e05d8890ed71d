"""What is compared of two persons, in the domain's own terms. The weights stand in the model file, never here."""

from reconciliation.comparing import Comparison, Level

# The number is evidence of its own, by stated weights: it is also the label that teaches all the others.
# There is no level for its first six digits: they only repeat birth place, sex and year.
ADJACENT = "l.number_stem = r.number_stem and abs(l.number_serial - r.number_serial) <= 3"
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
            when=ADJACENT,
            floor=-12.0,
            ceiling=-4.0,
            vi="số định danh liền kề",
            en="adjacent serial numbers",
        ),
        Level(
            name="slip",
            when="(l.number_stem = r.number_stem or l.number_serial = r.number_serial) "
            "and damerau_levenshtein(l.personal_number, r.personal_number) = 1",
            floor=-6.0,
            ceiling=2.0,
            vi="số định danh lệch một chữ số",
            en="personal numbers one slip apart",
        ),
        Level(
            name="different_contradicted",
            when="not (coalesce(l.number_agrees, true) and coalesce(r.number_agrees, true))",
            floor=-8.0,
            ceiling=-2.0,
            vi="số định danh khác nhau, một số không khớp hồ sơ của chính nó",
            en="different personal numbers, one of which contradicts its own record",
        ),
        Level(
            name="different", when="true", ceiling=-4.0, vi="số định danh khác nhau", en="different personal numbers"
        ),
    ),
)

_NAMED = "l.name_set = r.name_set"
_MIDDLE_SLIP = "l.given_bare = r.given_bare and damerau_levenshtein(l.before_given_bare, r.before_given_bare) <= 1"
GIVEN_SLIP = "l.before_given_bare = r.before_given_bare and damerau_levenshtein(l.given_bare, r.given_bare) <= 1"
# Between two words that many bear lies no slip but another name.
UNUSUAL = "(l.is_unusual or r.is_unusual)"
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
            when=f"({_MIDDLE_SLIP}) and {UNUSUAL}",
            vi="họ hoặc đệm lệch một chữ cái",
            en="family or middle name one letter apart",
        ),
        Level(
            name="slip_in_given",
            when=f"({GIVEN_SLIP}) and {UNUSUAL}",
            vi="tên lệch một chữ cái",
            en="given name one letter apart",
        ),
        Level(
            name="other_middle",
            when=_MIDDLE_SLIP,
            vi="họ hoặc đệm lệch một chữ cái nhưng đều là từ thường gặp",
            en="family or middle names one letter apart, both common",
        ),
        Level(
            name="other_given",
            when=GIVEN_SLIP,
            vi="tên lệch một chữ cái nhưng đều là từ thường gặp",
            en="given names one letter apart, both common",
        ),
        Level(
            name="alike",
            when=f"damerau_levenshtein(l.name_unspaced, r.name_unspaced) <= 2 and {UNUSUAL}",
            vi="họ tên lệch hai chữ cái",
            en="names two letters apart",
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


def _rarity(
    name: str, *, of: str, missing: str, steps: tuple[int, ...], vi: str, en: str, which: str = "greatest"
) -> Comparison:
    """How many records of the pool share what the two agree on: the more do, the less it says."""
    most = f"{which}(coalesce(l.{of}, 0), coalesce(r.{of}, 0))"
    return Comparison(
        name=name,
        vi=f"độ hiếm của {vi}",
        en=f"rarity of {en}",
        missing=f"not coalesce({missing}, false) or {most} = 0",
        levels=(
            *(
                Level(
                    name=f"up_to_{step}",
                    when=f"{most} <= {step}",
                    vi=f"nhiều nhất {step} hồ sơ cùng {vi}",
                    en=f"at most {step} records of that {en}",
                )
                for step in steps
            ),
            Level(name="many", when="true", vi=f"rất nhiều hồ sơ cùng {vi}", en=f"very many records of that {en}"),
        ),
        is_falling=True,
    )


# Joint rarity in this pool, where the two agree: a name of many says little, less yet with a date that many have.
RARITY = _rarity(
    "rarity",
    of="namesakes",
    missing=_NAMED,
    steps=(2, 3, 4, 6, 12, 24, 48, 96),
    vi="họ tên và năm sinh",
    en="name and birth year",
)
BEARERS = _rarity(
    "bearers", of="bearers", missing=_NAMED, steps=(2, 4, 8, 16, 32, 64, 128, 512, 2048), vi="họ tên", en="name"
)
NEIGHBOURS = _rarity(
    "neighbours",
    of="namesakes_here",
    missing="l.named_here = r.named_here",
    steps=(2, 3, 5),
    vi="họ tên và năm sinh trong xã",
    en="name and birth year in the commune",
)
DATE_RARITY = _rarity(
    "date_rarity",
    of="datemates",
    missing="l.dated = r.dated",
    steps=(2, 3, 4, 6, 12, 24, 48),
    vi="tên và ngày sinh",
    en="given name and birth date",
)
# Of two names that differ, one that hardly anybody bears is a slip of the other rather than a name; and of a slip
# nobody knows whose it is where many bear the other. Names that differ in more are no slips.
_NAMED_OTHERWISE = (
    "l.name_set <> r.name_set and l.initials = r.initials "
    "and (l.given_bare = r.given_bare or l.before_given_bare = r.before_given_bare)"
)
SPELLINGS = _rarity(
    "spellings",
    of="bearers",
    missing=_NAMED_OTHERWISE,
    steps=(2, 4, 8, 16, 32, 64, 128),
    vi="họ tên hiếm hơn trong hai họ tên khác nhau",
    en="the rarer of two names that differ",
    which="least",
)
RIVALS = _rarity(
    "rivals",
    of="namesakes",
    missing=_NAMED_OTHERWISE,
    steps=(2, 3, 4, 6, 12, 24, 48),
    vi="họ tên thường gặp hơn trong hai họ tên khác nhau, cùng năm sinh",
    en="the commoner of two names that differ, and birth year",
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

_INSURED_AS = "coalesce(l.personal_number, l.insured_as) = coalesce(r.personal_number, r.insured_as)"
INSURANCE_NUMBER = Comparison(
    name="insurance_number",
    vi="mã số BHXH",
    en="insurance number",
    missing="(l.insurance_number is null or r.insurance_number is null) and not coalesce("
    f"(l.personal_number is null or r.personal_number is null) and {_INSURED_AS}, false)",
    levels=(
        # Where both state a personal number, that comparison has counted it already.
        Level(
            name="personal",
            when=f"(l.personal_number is null or r.personal_number is null) and {_INSURED_AS}",
            weight=12.0,
            vi="số định danh của bên này là mã số BHXH của bên kia",
            en="the personal number of one is the insurance number of the other",
        ),
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

_RENAMED = -3.0
_MOVED = -6.0  # people move within a commune, whether or not those who taught the weights did
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
        # Hamlets are names, and are renamed sooner than people move.
        Level(
            name="other_hamlet",
            when="l.hamlet <> r.hamlet and l.former_unit = r.former_unit",
            floor=_RENAMED,
            vi="cùng xã cũ, thôn, tổ khác tên",
            en="same former commune, hamlets of other names",
        ),
        Level(name="former_unit", when="l.former_unit = r.former_unit", vi="cùng xã cũ", en="same former commune"),
        Level(
            name="other_former_unit",
            when="l.unit = r.unit and l.former_unit <> r.former_unit",
            floor=_MOVED,
            vi="cùng xã hiện nay, khác xã cũ",
            en="same commune of today, two former ones",
        ),
        Level(
            name="other_hamlet_of_unit",
            when="l.unit = r.unit and l.hamlet <> r.hamlet",
            floor=_RENAMED,
            vi="cùng xã hiện nay, thôn, tổ khác tên",
            en="same commune of today, hamlets of other names",
        ),
        Level(name="unit", when="l.unit = r.unit", vi="cùng xã hiện nay", en="same commune of today"),
        Level(name="different", when="true", vi="khác xã", en="different communes"),
    ),
)

# How many others the two households share: the pair itself, when it agrees on name and year, is not counted.
OTHERS = "coalesce(kin.shared, 0) - coalesce(l.namesake = r.namesake and kin.shared is not null, false)::integer"
# Book numbers are given out commune by commune, and clash between communes.
ONE_BOOK = (
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
            when=f"{OTHERS} >= 2",
            vi="hai hộ chung từ hai người khác",
            en="households share two others or more",
            ceiling=_FAMILY_CEILING,
        ),
        Level(
            name="one_other",
            when=f"{OTHERS} = 1",
            vi="hai hộ chung một người khác",
            en="households share one other",
            ceiling=_FAMILY_CEILING,
        ),
        Level(
            name="number",
            when=ONE_BOOK,
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


def _kin(role: str, *, vi: str, en: str) -> Comparison:
    """What two records say of one relative: by number where both give it, else by name."""
    return Comparison(
        name=role,
        vi=vi,
        en=en,
        missing=f"(l.{role}_number is null or r.{role}_number is null) "
        f"and (l.{role}_name is null or r.{role}_name is null)",
        levels=(
            Level(
                name="number",
                when=f"l.{role}_number = r.{role}_number",
                vi=f"trùng số định danh của {vi}",
                en=f"equal personal numbers of the {en}",
                ceiling=_FAMILY_CEILING,
            ),
            Level(
                name="name",
                when=f"l.{role}_name = r.{role}_name",
                vi=f"cùng họ tên của {vi}",
                en=f"same name of the {en}",
                ceiling=_FAMILY_CEILING,
            ),
            Level(
                name="letters",
                when=f"l.{role}_letters = r.{role}_letters",
                vi=f"họ tên của {vi} cùng các chữ cái",
                en=f"the name of the {en} has the same letters",
                ceiling=_FAMILY_CEILING,
            ),
            Level(name="different", when="true", vi=f"{vi} khác", en=f"another {en}", floor=-6.0),
        ),
    )


FATHER = _kin("father", vi="cha", en="father")
MOTHER = _kin("mother", vi="mẹ", en="mother")
SPOUSE = _kin("spouse", vi="vợ hoặc chồng", en="spouse")

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
    PERSONAL_NUMBER, NAME, RARITY, BEARERS, SPELLINGS, RIVALS, NEIGHBOURS, DATE_RARITY, BIRTH, SEX, CMND,
    INSURANCE_NUMBER, PLACE, HOUSEHOLD, FATHER, MOTHER, SPOUSE, SYSTEMS,
)  # fmt: skip
