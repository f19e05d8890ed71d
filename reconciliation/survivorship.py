"""What is true of a subject where its records disagree: one table, field by field, of which record speaks first.

`surviving.py` chooses by it, docs/survivorship.md is written from it, and every published value names the rank by
which it was chosen. Change a rule here and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from adapters.canonical import RecordKind


class Rank(StrEnum):
    """By what one record speaks before another. The names are kept with every published value."""

    JUDGEMENT = "judgement"
    PRECISION = "precision"
    BOOK_NUMBER = "book_number"
    AUTHORITY = "authority"
    SIGNATURE = "signature"
    EVENT_DATE = "event_date"
    VERIFICATION = "verification"
    RECENCY = "recency"
    FIRST_HELD = "first_held"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A rank in both languages, and `orders`: SQL over a record that speaks, the smallest speaks first."""

    vi: str
    en: str
    orders: tuple[str, ...]


REASONS: Mapping[Rank, Reason] = MappingProxyType(
    {
        Rank.JUDGEMENT: Reason(
            vi="cán bộ đã quyết định",
            en="a steward decided so",
            orders=("coalesce(unjudged, 1)",),
        ),
        Rank.PRECISION: Reason(
            vi="nói rõ hơn: đủ ngày trước tháng, tháng trước năm",
            en="it is more exact: a day before a month, a month before a year",
            orders=("case when birth_day is not null then 0 when birth_month is not null then 1 else 2 end",),
        ),
        Rank.BOOK_NUMBER: Reason(
            vi="số sổ 10 chữ số giữ cột này, số định danh thay nó ở cột riêng; cả hai đều còn giá trị",
            en="a 10-digit book number keeps this field, the personal number that replaces it has its own; both hold",
            orders=("coalesce((length(insurance_number) <> 10)::int, 1)",),
        ),
        Rank.AUTHORITY: Reason(
            vi="hệ thống có thẩm quyền theo luật về trường này",
            en="its system has authority over the field by law",
            orders=("authority",),
        ),
        Rank.SIGNATURE: Reason(
            vi="có chữ ký của người ký sự kiện hộ tịch",
            en="an officer has signed the civil-status event",
            orders=("coalesce(unsigned, 1)",),
        ),
        Rank.EVENT_DATE: Reason(
            vi="ngày sự kiện muộn hơn; không nêu ngày là sớm nhất",
            en="its event is later; an event without a day is the earliest",
            orders=("-coalesce(epoch(event_date), '-infinity'::double)",),
        ),
        Rank.VERIFICATION: Reason(
            vi="số định danh khớp với giới tính và năm sinh của chính bản ghi",
            en="its personal number agrees with its own sex and year of birth",
            orders=("coalesce(unverified, 1)",),
        ),
        Rank.RECENCY: Reason(
            vi="kết xuất mới hơn, rồi phiên bản mới hơn",
            en="its export is newer, then its version is",
            orders=("-coalesce(epoch(exported_on), '-infinity'::double)", "-source_version"),
        ),
        Rank.FIRST_HELD: Reason(
            vi="không gì phân biệt: bản ghi đến trước",
            en="nothing tells them apart: the one that came first",
            orders=("record_id",),
        ),
    }
)
ONLY_ONE_VI, ONLY_ONE_EN = "chỉ một bản ghi nêu", "only one record says it"

_LAST = (Rank.EVENT_DATE, Rank.VERIFICATION, Rank.RECENCY, Rank.FIRST_HELD)

_IDENTIFICATION = "Luật Căn cước 26/2023/QH15, Điều 9"
_RESIDENCE = "Luật Cư trú 68/2020/QH14"
_CIVIL_STATUS = "Luật Hộ tịch 60/2014/QH13"
_INSURANCE = "Luật Bảo hiểm xã hội 41/2024/QH15"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Who says what of some fields, that are taken together from one record: the first of `by` that differs decides."""

    fields: tuple[str, ...]
    speakers: tuple[RecordKind, ...]  # the first has authority; a kind that is not named says nothing of them
    law: str  # by which the first has it
    by: tuple[Rank, ...] = (Rank.AUTHORITY, *_LAST)

    @property
    def leader(self) -> str:
        """The field under which provenance is kept for all."""
        return self.fields[0]


def _register(*fields: str, law: str = _IDENTIFICATION, by: tuple[Rank, ...] = (Rank.AUTHORITY, *_LAST)) -> Rule:
    return Rule(fields=fields, speakers=(RecordKind.PERSON,), law=law, by=by)


def _house(*fields: str) -> Rule:
    return Rule(fields=fields, speakers=(RecordKind.HOUSEHOLD,), law=_RESIDENCE)


def _book(*fields: str, by: tuple[Rank, ...] = (Rank.AUTHORITY, *_LAST)) -> Rule:
    return Rule(fields=fields, speakers=(RecordKind.INSURANCE,), law=_INSURANCE, by=by)


RULES: Mapping[RecordKind, tuple[Rule, ...]] = MappingProxyType(
    {
        # An insurance system fills what the register leaves blank of a person's numbers; it never places or names
        # anybody.
        RecordKind.PERSON: (
            Rule(
                fields=("personal_number",),
                speakers=(RecordKind.PERSON, RecordKind.INSURANCE),
                law=_IDENTIFICATION,
            ),
            Rule(fields=("cmnd",), speakers=(RecordKind.PERSON, RecordKind.INSURANCE), law=_IDENTIFICATION),
            _register("full_name"),
            _register(
                "birth_year", "birth_month", "birth_day", law=_CIVIL_STATUS, by=(Rank.PRECISION, Rank.AUTHORITY, *_LAST)
            ),
            _register("sex", law=_CIVIL_STATUS),
            _register("ethnic_group"),
            _register("died_on", law=_CIVIL_STATUS, by=(Rank.AUTHORITY, Rank.SIGNATURE, *_LAST)),
            _register("unit_code", "hamlet", "address", law=_RESIDENCE, by=(Rank.JUDGEMENT, Rank.AUTHORITY, *_LAST)),
            _register("household_id", "household_number", "relation_to_head", law=_RESIDENCE),
            _register("father_number", "father_name"),
            _register("mother_number", "mother_name"),
            _register("spouse_number", "spouse_name"),
        ),
        RecordKind.HOUSEHOLD: (
            _house("household_number", "former_number"),
            _house("head_name", "head_personal_number"),
            _house("member_count"),
            _house("unit_code", "hamlet", "address"),
        ),
        # `person_id` is whom linkage found; the entries of one book agree in it.
        RecordKind.INSURANCE: (
            _book("person_id"),
            _book("insurance_number", by=(Rank.BOOK_NUMBER, Rank.AUTHORITY, *_LAST)),
            _book("scheme", "health_card"),
            _book("personal_number"),
            _book("full_name"),
            _book("valid_from", "valid_to", "first_clinic"),
            _book("unit_code"),
            _book("contribution_salary"),
        ),
    }
)


def render_markdown() -> str:
    """The table as docs/survivorship.md, which a test keeps current."""
    lines = [
        "# Giá trị nào là đúng · What is true",
        "",
        "Viết từ `reconciliation/survivorship.py`; `make accept` viết lại trang này. Các bản ghi của một chủ thể nói",
        "khác nhau thì với mỗi dòng, bản ghi đứng đầu theo thứ tự xếp hạng nói; các trường cùng một dòng luôn lấy từ",
        "một bản ghi. Bản ghi đang chờ quyết định không nói. Mỗi giá trị đã công bố giữ bản ghi đã nói và hạng đã",
        "quyết định: `lienthong link values CHỦ_THỂ`.",
        "",
        "Written from `reconciliation/survivorship.py`; `make accept` writes it again. Where the records of a subject",
        "disagree, of each line the record speaks that comes first by its ranks; the fields of a line are taken from",
        "one record. A record that waits for a decision does not speak. Every published value keeps the record that",
        "said it and the rank that decided: `lienthong link values SUBJECT`.",
        "",
    ]
    for kind, rules in RULES.items():
        lines += [
            f"## {kind}",
            "",
            "| trường · fields | ai nói · who speaks | căn cứ · law | xếp hạng · ranks |",
            "|---|---|---|---|",
        ]
        for rule in rules:
            cells = (
                ", ".join(f"`{name}`" for name in rule.fields),
                " > ".join(rule.speakers),
                rule.law,
                " > ".join(f"`{rank}`" for rank in rule.by),
            )
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += ["## Xếp hạng · Ranks", "", "| hạng · rank | nghĩa | meaning |", "|---|---|---|"]
    lines += [f"| `{rank}` | {reason.vi} | {reason.en} |" for rank, reason in REASONS.items()]
    return "\n".join(lines) + "\n"
