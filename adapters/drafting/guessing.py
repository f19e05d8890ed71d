"""A sample of an unknown system to a draft of its dialect: what each column is, from its name and its content. Pure.

Every guess comes with its evidence, everything else is left open by name. Evidence is counts, never values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from adapters.canonical import SCHEMAS, RecordKind
from adapters.declaration import Charset, ColumnMapping, FileFormat, FileShape
from adapters.drafting.field_names import Field, field_of, folded
from adapters.drafting.sniffing import Note, guessed, left_open, sniff
from adapters.quality.profiling import profile
from adapters.reference.units import units_on
from adapters.steps import STEPS, Context
from adapters.steps.lists import FAMILIES, LISTS
from adapters.steps.styles import STYLES

_UNTIL, _SINCE = date(2025, 6, 30), date(2025, 7, 1)
_MOST = 0.6  # a column is what most of its filled values look like
_ENOUGH_CODES = 20  # distinct codes, below which the absence of old ones says nothing
_ENOUGH_OLD = 5  # distinct codes that only the old list has; fewer may be strays of a recoded system
_BIRTH = ("birth_year", "birth_month", "birth_day")
_RELATIVES = (
    *(Field.FATHER_NUMBER, Field.FATHER_NAME, Field.MOTHER_NUMBER, Field.MOTHER_NAME),
    *(Field.SPOUSE_NUMBER, Field.SPOUSE_NAME),
)
_TARGETS: dict[Field, tuple[str, ...]] = {
    Field.PERSON_ID: ("personal_number",),
    Field.CMND: ("cmnd",),
    Field.FULL_NAME: ("full_name",),
    Field.BIRTH_DATE: _BIRTH,
    Field.DEATH_DATE: ("died_on",),
    Field.SEX: ("sex",),
    Field.ETHNIC: ("ethnic_group",),
    Field.COMMUNE: ("unit_code",),
    Field.COMMUNE_NAME: ("unit_name",),
    Field.HAMLET: ("hamlet",),
    Field.ADDRESS: ("address",),
    Field.HOUSEHOLD: ("household_number",),
    Field.RELATION: ("relation_to_head",),
    Field.MEMBERS: ("member_count",),
    Field.INSURANCE: ("insurance_number",),
    Field.CARD: ("health_card",),
    Field.VALID_FROM: ("valid_from",),
    Field.VALID_TO: ("valid_to",),
    Field.CLINIC: ("first_clinic",),
    Field.SCHEME: ("scheme",),
    Field.SALARY: ("contribution_salary",),
    **{one: (one.value,) for one in _RELATIVES},
    Field.CHANGED: ("source_version", "event_date"),
}
_OF_A_HOUSEHOLD = {"personal_number": "head_personal_number", "full_name": "head_name"}
_LAST_STEPS = {
    "personal_number": "personal_number",
    "head_personal_number": "personal_number",
    "cmnd": "cmnd",
    "insurance_number": "insurance_number",
    "health_card": "health_card",
    "household_number": "book_number",
    "unit_code": "unit_code",
    "father_number": "personal_number",
    "mother_number": "personal_number",
    "spouse_number": "personal_number",
    "member_count": "integer",
    "contribution_salary": "monthly_amount",
    "birth_year": "partial_date",
    "died_on": "past_day",
    "valid_from": "day",
    "valid_to": "day",
    "source_version": "moment",
}
_WITH_NUMBERS = (FileFormat.XLSX, FileFormat.DBF)
_SHORT_BOOKS = ("6 digits", "7 digits", "8 digits")  # 9 digits without their zeros
_NAMES = ("full_name", "head_name", "unit_name", "father_name", "mother_name", "spouse_name")
_TEXTS = (*_NAMES, "hamlet", "address")
_WEAK = frozenset({"ngaylap"})  # the day a record was made: when it last changed only if nothing else says so
_NAME_PARTS = (Field.FAMILY_NAME, Field.MIDDLE_NAME, Field.GIVEN_NAME)


@dataclass(frozen=True)
class Drafted:
    """One column of a draft: how it is mapped, and what was guessed or left open about it."""

    mapping: ColumnMapping
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Draft:
    """The draft of a dialect. `ignored` gives for each column that is not mapped why not."""

    kind: RecordKind
    shape: FileShape
    columns: tuple[Drafted, ...]
    ignored: Mapping[str, Note]
    unit_vintage: date | None
    notes: tuple[Note, ...]


def draft(payload: bytes, *, exported_on: date, kind: RecordKind | None = None) -> Draft:
    """The draft of a sample's dialect. Raises RejectedBatchError when no reader here reads the sample."""
    sniffed = sniff(payload)
    columns = {name: _text(sniffed.table[name]) for name in sniffed.table.column_names}
    fields = {name: field_of(name) or _by_content(values) for name, values in columns.items()}
    meant = kind or _kind(fields)
    notes = list(sniffed.notes)
    if kind is None and set(fields.values()) & _OF_SOMEBODY:
        notes.append(guessed("kind", f"{meant}, theo các cột có trong tệp", f"{meant}, by the columns there are"))
    elif kind is None:
        vi, en = "không cột nào cho biết; đặt lại bằng --kind", "no column tells; else draft it anew with --kind"
        notes.append(left_open("kind", f"{meant}? {vi}", f"{meant}? {en}"))
    sources = _assigned(columns, fields, meant)
    context = _Circumstances(sniffed.shape, exported_on, columns, fields)
    mapped = tuple(_drafted(context, targets, names) for targets, names in sources.items())
    vintage, vintage_note = _vintage(columns, sources)
    used = {name for names in sources.values() for name in names}
    return Draft(
        kind=meant,
        shape=sniffed.shape,
        columns=mapped,
        ignored={name: _unused(fields[name]) for name in columns if name not in used},
        unit_vintage=vintage,
        notes=(*notes, vintage_note),
    )


@dataclass(frozen=True)
class _Circumstances:
    shape: FileShape
    exported_on: date
    columns: Mapping[str, pa.Array]
    fields: Mapping[str, Field | None]

    def values(self, names: tuple[str, ...]) -> pa.Array:
        if len(names) == 1:
            return self.columns[names[0]]
        return pc.binary_join_element_wise(*(self.columns[name] for name in names), " ", null_handling="skip")


def _text(column: pa.ChunkedArray) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(column.combine_chunks())
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _by_content(values: pa.Array) -> Field | None:
    """What a column is whose name says nothing: a personal number or a commune's code, where most values are."""
    found = profile(values)
    if not found.filled:
        return None
    if found.forms.get("12 digits", 0) >= _MOST * found.filled:
        return Field.PERSON_ID
    known = pc.is_in(values, value_set=_codes(_UNTIL)) if "5 digits" in found.forms else None
    if known is not None and (pc.sum(known).as_py() or 0) >= _MOST * found.filled:
        return Field.COMMUNE
    return None


# A register of people has at least one of these; so has one of households that names the heads.
_OF_SOMEBODY = {
    Field.PERSON_ID,
    Field.CMND,
    Field.FULL_NAME,
    Field.FAMILY_NAME,
    Field.GIVEN_NAME,
    Field.BIRTH_DATE,
    Field.SEX,
    Field.CARD,
    Field.MEMBERS,
}


def _kind(fields: Mapping[str, Field | None]) -> RecordKind:
    present = set(fields.values())
    if present & {Field.CARD, Field.SCHEME, Field.CLINIC, Field.VALID_TO}:
        return RecordKind.INSURANCE
    if not present & _OF_SOMEBODY:
        return RecordKind.HOUSEHOLD
    return RecordKind.HOUSEHOLD if Field.MEMBERS in present and Field.BIRTH_DATE not in present else RecordKind.PERSON


def _assigned(
    columns: Mapping[str, pa.Array], fields: Mapping[str, Field | None], kind: RecordKind
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Source columns by the canonical columns they fill: the record's key, then each column once."""
    key = _key(columns, fields, kind)
    found: dict[tuple[str, ...], tuple[str, ...]] = {("source_record_id",): (key,)}
    parts = tuple(name for part in _NAME_PARTS for name, one in fields.items() if one is part)
    for name, one in sorted(fields.items(), key=lambda item: folded(item[0]) in _WEAK):
        if one in _NAME_PARTS:
            targets, names = _for_kind(("full_name",), kind), parts
        elif one in _RELATIVES:
            targets, names = _TARGETS[one], tuple(other for other, same in fields.items() if same is one)
        elif one in _TARGETS:
            targets, names = _for_kind(_TARGETS[one], kind), (name,)
        else:
            continue
        is_key_only = name == key and one not in {Field.PERSON_ID, Field.CMND}
        is_free = not any(set(targets) & set(taken) for taken in found)
        if targets[0] in SCHEMAS[kind].names and is_free and not is_key_only:
            found[targets] = names
    return found


def _for_kind(targets: tuple[str, ...], kind: RecordKind) -> tuple[str, ...]:
    if kind is RecordKind.HOUSEHOLD:
        return tuple(_OF_A_HOUSEHOLD.get(target, target) for target in targets)
    return targets


def _key(columns: Mapping[str, pa.Array], fields: Mapping[str, Field | None], kind: RecordKind) -> str:
    """The column that tells records apart: by name, else by content; among equals the first."""
    order = [Field.KEY, *([Field.HOUSEHOLD] if kind is RecordKind.HOUSEHOLD else []), None, Field.PERSON_ID]

    def rank(name: str) -> tuple[int, int]:
        field = fields[name]
        values = columns[name]
        repeats = len(values) - len(values.drop_null().unique())
        return (order.index(field) if field in order else len(order)), repeats

    unique = [name for name in columns if rank(name)[1] == 0]
    named = [name for name in columns if fields[name] is Field.KEY]
    return min(unique or named or list(columns), key=rank)


def _drafted(context: _Circumstances, targets: tuple[str, ...], names: tuple[str, ...]) -> Drafted:
    values = context.values(names)
    notes = [_why(context, targets, names, values)]
    steps, list_name, is_number = ["spaces"], None, False
    styles: tuple[str, ...] = ()
    last = _LAST_STEPS.get(targets[0])
    if targets[0] in _TEXTS:
        steps = ["nfc", "d_stroke", "spaces"]
        steps += ["tcvn3_capitals"] if context.shape.charset is Charset.TCVN3 else []
        steps += ["no_mojibake"] if targets[0] in _NAMES else []
    elif targets[0] in FAMILIES:
        list_name, note = _list(values, FAMILIES[targets[0]], context.exported_on)
        steps, notes = [*(["nfc"] if context.shape.is_decomposed else []), *steps, "listed"], [*notes, note]
    elif last is not None:
        if last == "personal_number" and targets == ("personal_number",) and _holds_both(context, values):
            targets, last = ("personal_number", "cmnd"), "identity_number"
            notes.append(guessed("to", "cột có cả số 9 chữ số", "the column holds numbers of 9 digits as well"))
        if STEPS[last].option is not None:
            styles, note = _styles(values, last, context.exported_on)
            notes.append(note)
        is_number, number_notes = _number(values, last, styles, context)
        steps, notes = [*steps, last], [*notes, *number_notes]
    empty = values.null_count == len(values) and targets != ("source_record_id",)
    if empty:
        notes.append(left_open("optional", "mẫu không có giá trị nào", "the sample holds no value of it"))
    mapping = ColumnMapping(
        sources=names,
        targets=targets,
        steps=tuple(steps),
        styles=styles,
        code_list=list_name,
        is_number=is_number,
        is_optional=empty,
    )
    return Drafted(mapping, tuple(notes))


def _why(context: _Circumstances, targets: tuple[str, ...], names: tuple[str, ...], values: pa.Array) -> Note:
    filled = len(values) - values.null_count
    if targets == ("source_record_id",):
        distinct = len(values.drop_null().unique())
        vi, en = f"{distinct} giá trị khác nhau trên {len(values)} bản ghi", f"{distinct} of {len(values)} are distinct"
        if distinct < len(values) or context.fields[names[0]] is Field.PERSON_ID:
            vi, en = f"{vi}; hãy chọn khoá riêng của hệ thống", f"{en}; name the product's own key"
            return left_open("to", vi, en)
        return guessed("to", f"khoá: {vi}", f"the key: {en}")
    if field_of(names[0]) is None:
        vi, en = f"theo nội dung {filled} giá trị, tên cột chưa biết", f"by its {filled} values; the name is not known"
        return guessed("to", vi, en)
    return guessed("to", f"theo tên cột; {filled} giá trị", f"by its name; {filled} values")


def _holds_both(context: _Circumstances, values: pa.Array) -> bool:
    has_cmnd = Field.CMND in context.fields.values()
    forms = profile(values).forms
    return not has_cmnd and any(forms.get(form) for form in ("9 digits", "8 digits"))


def _list(values: pa.Array, family: str, exported_on: date) -> tuple[str, Note]:
    """The code list that knows most of the values; others that know as many are named: only a person can say."""
    unknown = {}
    for name in LISTS:
        if name.partition(".")[0] == family:
            flags = STEPS["listed"].run(values, Context(exported_on, code_list=name)).flags
            unknown[name] = sum(len(one.rows) for one in flags)
    best = min(unknown, key=lambda name: unknown[name])
    filled = len(values) - values.null_count
    known = filled - unknown[best]
    equal = [name for name, count in unknown.items() if count == unknown[best] and name != best]
    if equal or not filled:
        others = ", ".join(equal)
        vi = f"{known} trên {filled} giá trị có trong danh mục; cũng hợp: {others}. Hỏi đơn vị vận hành"
        return best, left_open("list", vi, f"it knows {known} of {filled} values; so do: {others}. Ask the operator")
    vi, en = (
        f"{known} trên {filled} giá trị có trong danh mục",
        f"it knows {known} of {filled} values, no other as many",
    )
    return best, guessed("list", vi, en)


def _styles(values: pa.Array, step: str, exported_on: date) -> tuple[tuple[str, ...], Note]:
    """The styles that read most values, one after another until no further one reads any."""
    chosen: list[str] = []
    filled = len(values) - values.null_count
    rest = values
    while len(rest) - rest.null_count:
        read = {style: _read(rest, step, style, exported_on) for style in STYLES}
        best = max(read, key=lambda style: pc.sum(read[style]).as_py() or 0)
        if not pc.any(read[best]).as_py():
            break
        chosen.append(best)
        rest = pc.if_else(read[best], pa.scalar(None, pa.string()), rest)
    unread = len(rest) - rest.null_count
    if not chosen:
        note = left_open("style", "không dạng ngày nào hợp", "no known style fits; correct it")
        return ("dd/mm/yyyy",), note
    vi, en = f"đọc được {filled - unread} trên {filled} giá trị", f"they read {filled - unread} of {filled} values"
    return tuple(chosen), guessed("style", vi, en)


def _read(values: pa.Array, step: str, style: str, exported_on: date) -> pa.Array:
    """Which values are a date of this style; one that lies ahead is a date all the same."""
    stepped = STEPS[step].run(values, Context(exported_on, (style,)))
    read = pc.is_valid(stepped.values[0]).to_numpy(zero_copy_only=False).copy()
    for one in stepped.flags:
        if one.code in {"DATE_IN_FUTURE", "DATE_INCOMPLETE"}:
            read[one.rows] = True
    return pa.array(read)


def _number(
    values: pa.Array, step: str, styles: tuple[str, ...], context: _Circumstances
) -> tuple[bool, tuple[Note, ...]]:
    """Whether the column was kept as numbers: leading zeros are lost, in a format that has numbers."""
    flags = STEPS[step].run(values, Context(context.exported_on, styles)).flags
    short = sum(len(one.rows) for one in flags if one.code == "LEADING_ZERO_MISSING")
    if step == "book_number" and context.shape.format in _WITH_NUMBERS:
        short = sum(rows for form, rows in profile(values).forms.items() if form in _SHORT_BOOKS)
    if not short:
        return False, ()
    vi, en = f"{short} giá trị thiếu số 0 ở đầu", f"{short} values lack leading zeros"
    if context.shape.format in _WITH_NUMBERS:
        return True, (guessed("number", vi, en),)
    return False, (left_open("number", f"{vi}; cả cột là số?", f"{en}; write number = true if all are numbers"),)


def _unused(field: Field | None) -> Note:
    match field:
        case Field.ORDINAL:
            return guessed("ignored", "số thứ tự", "an ordinal")
        case Field.PROVINCE | Field.DISTRICT:
            return guessed("ignored", "mã xã đã đủ", "the commune's code says it")
        case None:
            return left_open("ignored", "không rõ là gì", "it is not known what it is")
        case _:
            return left_open(
                "ignored", f"giống {field}, đã có cột khác", f"looks like {field}, another column is taken"
            )


def _vintage(
    columns: Mapping[str, pa.Array], sources: Mapping[tuple[str, ...], tuple[str, ...]]
) -> tuple[date | None, Note]:
    """Which code list the sample's unit codes are of, judged by its distinct codes."""
    names = sources.get(("unit_code",))
    if names is None:
        return None, left_open("sample.unit_vintage", "không có cột mã xã", "there is no column of unit codes")
    codes = pc.utf8_lpad(columns[names[0]].drop_null().unique(), 5, "0")
    old, new = (pc.is_in(codes, value_set=_codes(on)) for on in (_UNTIL, _SINCE))
    only_old = pc.sum(pc.and_not(old, new)).as_py() or 0
    only_new = pc.sum(pc.and_not(new, old)).as_py() or 0
    told_vi = f"trong {len(codes)} mã: {only_old} chỉ có trước 1/7/2025, {only_new} chỉ có từ 1/7/2025"
    told_en = f"of {len(codes)} codes {only_old} exist only until 2025-06-30, {only_new} only since"
    if only_old >= _ENOUGH_OLD and not only_new:
        return _UNTIL, guessed("sample.unit_vintage", told_vi, told_en)
    if not only_old and (only_new or len(codes) >= _ENOUGH_CODES):
        return _SINCE, guessed("sample.unit_vintage", told_vi, told_en)
    return None, left_open("sample.unit_vintage", told_vi, told_en)


def _codes(on: date) -> pa.Array:
    return units_on(on)["code"].combine_chunks()
