"""The closed catalogue of what no rule may decide: how grave it is, what it means, and what shows it.

What can be decided is in review.DECISIONS and answers.py, who is asked in detecting.HOLDS and lifecycle.WAITING;
docs/conflicts.md is written from the five.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reconciliation.model import CaseKind


class Gravity(StrEnum):
    """What a wrong or late decision does."""

    HIGH = "high"  # somebody loses a right, or is taken for somebody else
    MEDIUM = "medium"  # a record goes to the wrong place, or not on
    LOW = "low"  # two sources disagree, and nothing is held back for long


@dataclass(frozen=True, kw_only=True)
class Graver:
    """How grave some cases of a kind are, and which: words that follow "where"."""

    gravity: Gravity
    vi: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One kind of question, in both languages. `evidence` says what a case of it shows, never a person's values.

    The desk is ordered by `gravity`, or `graver` where it applies: store/tables/desk.py says so in SQL.
    """

    gravity: Gravity
    name_vi: str  # what it is called wherever there is only a line for it
    name_en: str
    vi: str
    en: str
    question_vi: str  # what a steward is asked
    question_en: str
    evidence_vi: str
    evidence_en: str
    graver: Graver | None = None


CATALOGUE: Mapping[CaseKind, Conflict] = MappingProxyType(
    {
        CaseKind.AMBIGUOUS_UNIT: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Xã cũ đã chia cho nhiều xã mới",
            name_en="Divided unit",
            vi="Xã cũ đã chia cho nhiều đơn vị mới; chưa rõ người này thuộc đơn vị nào.",
            en="The former commune was divided among several units; to which one the person belongs is not known.",
            question_vi="Xã cũ đã chia cho nhiều xã mới: bản ghi thuộc xã nào?",
            question_en="The former unit was divided: to which of its successors does the record belong?",
            evidence_vi="mã đã gửi, các đơn vị có thể, căn cứ pháp lý, điều gì sẽ quyết định",
            evidence_en="the code sent, the candidates, the legal basis, what would decide",
        ),
        CaseKind.UNKNOWN_UNIT: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Mã xã không có trong danh mục",
            name_en="Unit on no list",
            vi="Mã hoặc tên đơn vị không có trong danh mục nào.",
            en="The unit's code or name is on no list.",
            question_vi="Mã xã không có trong danh mục nào: bản ghi thuộc xã nào?",
            question_en="No list has the unit's code: to which unit does the record belong?",
            evidence_vi="mã đã gửi và danh mục đã tra",
            evidence_en="the code sent and the lists that were asked",
        ),
        CaseKind.DOUBTFUL_MATCH: Conflict(
            gravity=Gravity.HIGH,
            name_vi="Hai bản ghi có thể là một người",
            name_en="Perhaps one person",
            vi="Hai hồ sơ có thể là một người, chưa đủ chắc để tự ghép.",
            en="Two records may be one person, not surely enough to join them by rule.",
            question_vi="Hai bản ghi là một người?",
            question_en="Are the two records one person?",
            evidence_vi="trọng số của từng phép so sánh và lý do chưa ghép",
            evidence_en="the weight of each comparison, and why they were not joined",
        ),
        CaseKind.TWO_UNITS_ONE_PERSON: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Một người ở hai xã",
            name_en="One person in two units",
            vi="Hai đơn vị cùng nhận một người là cư dân.",
            en="Two units claim one person as a resident.",
            question_vi="Một người ở hai xã: xã nào đúng?",
            question_en="One person is in two units: which is right?",
            evidence_vi="các đơn vị và hồ sơ mới nhất",
            evidence_en="the units, and which record is the newest",
            graver=Graver(
                gravity=Gravity.HIGH,
                vi="nguồn của hai tỉnh trước sáp nhập cùng nhận người đó",
                en="the sources are of two former provinces",
            ),
        ),
        CaseKind.ONE_NUMBER_TWO_PEOPLE: Conflict(
            gravity=Gravity.HIGH,
            name_vi="Hai người chung một số định danh",
            name_en="One number, two people",
            vi="Hai người mang cùng một số định danh.",
            en="Two people bear one personal number.",
            question_vi="Hai người chung một số định danh: là một người hay ghi sai số?",
            question_en="Two people have one personal number: are they one, or is a number wrong?",
            evidence_vi="các hồ sơ mang số đó, chia theo người",
            evidence_en="the records that bear the number, by person",
        ),
        CaseKind.BOOK_AGAINST_REGISTER: Conflict(
            gravity=Gravity.LOW,
            name_vi="Sổ bảo hiểm khác sổ dân cư",
            name_en="Book against register",
            vi="Sổ bảo hiểm trái với dữ liệu dân cư.",
            en="An insurance book contradicts the population register.",
            question_vi="Sổ bảo hiểm khác sổ dân cư: nhận mỗi bên như đã khai, hay dùng một bên?",
            question_en="An insurance book differs from the register: is each accepted as it says, or one used?",
            evidence_vi="các trường khác nhau",
            evidence_en="the fields that differ",
        ),
        CaseKind.TWO_INSURANCE_BOOKS: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Một người có hai sổ bảo hiểm",
            name_en="Two insurance books",
            vi="Một người có hai sổ bảo hiểm.",
            en="One person has two insurance books.",
            question_vi="Một người có hai sổ bảo hiểm: nhận cả hai, hay một sổ thừa?",
            question_en="One person has two insurance books: are both accepted, or is one too many?",
            evidence_vi="số sổ và các mục của từng sổ",
            evidence_en="how many books, and the entries of each",
        ),
        CaseKind.OVERLAPPING_PERIODS: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Thời hạn bảo hiểm trùng nhau",
            name_en="Overlapping insurance periods",
            vi="Hai thời gian tham gia của cùng một sổ và chế độ trùng lên nhau.",
            en="Two periods of one insurance book and scheme overlap.",
            question_vi="Các thời hạn của một sổ bảo hiểm trùng nhau: thời hạn khai sau cùng đúng, hay có bản ghi sai?",
            question_en="Periods of one insurance book overlap: is the one said last right, or which is wrong?",
            evidence_vi="chế độ và các hồ sơ khai thời gian trùng",
            evidence_en="the scheme, and the records whose periods overlap",
        ),
        CaseKind.CIRCULAR_RELATIONS: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Quan hệ cha mẹ con không thể có",
            name_en="Relatives who cannot be",
            vi="Quan hệ cha mẹ con không thể có: là cha mẹ của chính mình, thành vòng, hoặc cách tuổi quá ít.",
            en="Relatives who cannot be: somebody's own parent, a circle, or a parent too near in age.",
            question_vi="Quan hệ cha mẹ con này không thể có: nhận như đã khai, hay bản ghi nào sai?",
            question_en="These relatives cannot be: are they accepted as said, or which record is wrong?",
            evidence_vi="lý do, quan hệ, số người trong vòng hoặc số tháng cách tuổi",
            evidence_en="the reason, the relation, the people in the circle or the months between the births",
        ),
        CaseKind.DEATH_THEN_UPDATE: Conflict(
            gravity=Gravity.HIGH,
            name_vi="Khai tử trái nhau, hoặc có cập nhật sau",
            name_en="Contradicted death",
            vi="Có cập nhật sau ngày mất, hai ngày mất, hoặc bỏ ngày mất đã khai.",
            en="An update after the day of death, two days of death, or a death that is taken back.",
            question_vi="Người đã khai tử lại có cập nhật, hoặc ngày mất khác nhau: điều gì đúng?",
            question_en="Somebody who died is updated, or died on two days: what is right?",
            evidence_vi="lý do và hồ sơ nào khai ngày mất",
            evidence_en="the reason, and which records say a day of death",
        ),
        CaseKind.TWO_PROVINCES_ONE_PERSON: Conflict(
            gravity=Gravity.HIGH,
            name_vi="Một người ở hai tỉnh",
            name_en="One person in two provinces",
            vi="Một người có ở hai tỉnh hiện nay.",
            en="One person stands in two of today's provinces.",
            question_vi="Tỉnh khác đã công bố người này: người này ở tỉnh nào?",
            question_en="Another province has published this person: in which of the two do they live?",
            evidence_vi="tỉnh kia và người mà tỉnh đó đã công bố",
            evidence_en="the other province, and whom it has published",
        ),
        CaseKind.HOUSEHOLD_CLASH: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Hộ không thể như vậy",
            name_en="Household that cannot be",
            vi="Hộ không thể như vậy: hai chủ hộ, thiếu chủ hộ, chủ hộ đã mất, một người ở hai hộ, một hồ sơ hai xã.",
            en="A household that cannot be: two heads, none, a dead head, a member of two, one record in two units.",
            question_vi="Hộ này không thể như vậy: nhận như đã khai, hay bản ghi nào sai?",
            question_en="This household cannot be: is it accepted as said, or which record is wrong?",
            evidence_vi="lý do, các hộ, số nhân khẩu đã thấy",
            evidence_en="the reason, the households, how many members are here",
        ),
        CaseKind.REFUSED_BY_REGISTRY: Conflict(
            gravity=Gravity.HIGH,
            name_vi="Cơ sở dữ liệu quốc gia từ chối",
            name_en="Refused by a registry",
            vi="Cơ sở dữ liệu quốc gia từ chối một thay đổi.",
            en="A national registry refused a change.",
            question_vi="Cơ sở dữ liệu quốc gia từ chối: gửi lại hay chấp nhận?",
            question_en="A registry refused the change: send it again, or accept that?",
            evidence_vi="cơ sở dữ liệu, vị trí trong dòng thay đổi, mã lý do",
            evidence_en="the registry, the place in the feed, its reason code",
        ),
        CaseKind.MISSING_VERSION: Conflict(
            gravity=Gravity.LOW,
            name_vi="Thiếu phiên bản trước",
            name_en="Earlier version missing",
            vi="Phiên bản trước của hồ sơ đã được nhắc đến nhưng không đến trong hạn.",
            en="An earlier version of the record was told of and did not come in time.",
            question_vi="Thiếu phiên bản mà bản cập nhật nối tiếp: dùng bản này hay bỏ?",
            question_en="The version that the update follows never came: use the update, or withdraw it?",
            evidence_vi="phiên bản thiếu và phiên bản theo sau",
            evidence_en="the version that is missing and the one that follows it",
        ),
        CaseKind.DUPLICATE_HAMLET: Conflict(
            gravity=Gravity.LOW,
            name_vi="Nhiều thôn, tổ cùng tên",
            name_en="Hamlets of one name",
            vi="Sau sáp nhập, một đơn vị có nhiều thôn, tổ cùng tên; chưa rõ hồ sơ thuộc nơi nào.",
            en="Since the merger several hamlets of one unit have one name; which of them is meant is not known.",
            question_vi="Nhiều thôn, tổ cùng tên trong một xã: giữ tên, hay hỏi lại tỉnh?",
            question_en="Several hamlets of one unit have one name: does it stand, or is the province asked?",
            evidence_vi="đơn vị, các xã cũ có thôn, tổ mang tên đó, số hồ sơ",
            evidence_en="the unit, the former communes with a hamlet of the name, how many records",
        ),
        CaseKind.UNSIGNED_EVENT: Conflict(
            gravity=Gravity.HIGH,
            name_vi="Sự kiện hộ tịch quá hạn ký số",
            name_en="Unsigned civil-status event",
            vi="Sự kiện hộ tịch chưa được ký số trong hạn.",
            en="A civil-status event was not signed in time.",
            question_vi="Sự kiện hộ tịch quá hạn ký số: tiếp tục chờ chữ ký hay bỏ?",
            question_en="A civil-status event is late for its signature: go on waiting, or withdraw it?",
            evidence_vi="phiên bản khai sự kiện và ngày hết hạn ký",
            evidence_en="the version that states the event, and the day until which it was to be signed",
        ),
        CaseKind.CITIZEN_CORRECTION: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Công dân đề nghị sửa",
            name_en="Citizen's correction",
            vi="Công dân đề nghị sửa thông tin khác với sổ dân cư.",
            en="A citizen's correction contradicts the population register.",
            question_vi="Công dân đề nghị sửa: dùng bản sửa hay bác?",
            question_en="A citizen asks for a correction: is it used or refused?",
            evidence_vi="các trường đề nghị sửa",
            evidence_en="the fields to be corrected",
        ),
        CaseKind.POISONED: Conflict(
            gravity=Gravity.MEDIUM,
            name_vi="Quy tắc đối soát hỏng trên bản ghi",
            name_en="Record that breaks a rule",
            vi="Một quy tắc đối soát hỏng trên bản ghi này; bản ghi được tách riêng, các bản ghi khác vẫn đi tiếp.",
            en="A rule of reconciling breaks on the record; it was set aside, and the others go on.",
            question_vi="Quy tắc hỏng trên bản ghi: quy tắc đã sửa thì xử lý lại, hay bỏ bản ghi?",
            question_en="A rule breaks on the record: is it mended and the record tried again, or is it dropped?",
            evidence_vi="loại lỗi và nơi quy tắc hỏng, phiên bản, biên nhận và dòng (từ 0) của bản ghi",
            evidence_en="the kind of error and where the rule broke, the version, its receipt and row (from 0)",
        ),
    }
)

# Kinds that no data raise as long as the software is right: a run over a whole country shows none of them.
OF_BROKEN_RULES = frozenset({CaseKind.POISONED})


def render_markdown() -> str:
    """The catalogue as docs/conflicts.md, which a test keeps current."""
    from reconciliation import lifecycle  # noqa: PLC0415 - only the page needs the others' tables
    from reconciliation.detecting import HOLDS  # noqa: PLC0415
    from reconciliation.review import DECISIONS, NEEDS_APPROVAL  # noqa: PLC0415

    lines = [
        "# What no rule may decide",
        "",
        "Written from `reconciliation/conflicts.py`, `review.py`, `detecting.py` and `lifecycle.py`;",
        '`make test ARGS="--accept tests/reconciliation"` writes it again. Each kind is a case of the queue',
        "(`lienthong queue`) with evidence, an owner and a deadline; the updates it is about wait meanwhile. A",
        "decision is appended with its reason, holds in every later run and can be reversed. Where two persons are",
        "needed, a decision is a proposal until a second one approves it. Whatever the kind, so it is for a unit of",
        "another province, for joining two people of two numbers, for `unit` where the sources are of two former",
        "provinces, and for whoever has decided the same question before.",
        "",
        "| kind | gravity | meaning | nghĩa | evidence | decided as | by | working days | two persons |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, one in CATALOGUE.items():
        waiting = lifecycle.WAITING[HOLDS[kind]]
        cells = (
            f"`{kind}`",
            _gravity(one),
            one.en,
            one.vi,
            one.evidence_en,
            ", ".join(f"`{decision}`" for decision in sorted(DECISIONS[kind])),
            waiting.role,
            str(waiting.working_days),
            "yes" if kind in NEEDS_APPROVAL else "",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_called()]) + "\n"


def _called() -> list[str]:
    """The lines of the page on what each decision is called."""
    from reconciliation import answers  # noqa: PLC0415 - as above

    lines = [
        "",
        "## What each decision is called, and what happens then",
        "",
        "Written from `reconciliation/answers.py`; the pages of stewards show it beneath each choice.",
        "",
        "| kind | decided as | called | tên gọi | what happens then | điều gì xảy ra |",
        "|---|---|---|---|---|---|",
    ]
    for (kind, reason, decision), said in answers.every():
        cells = (
            f"`{kind}`" + (f", `{reason}`" if reason else ""),
            f"`{decision}`",
            said.en,
            said.vi,
            said.then_en,
            said.then_vi,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _gravity(one: Conflict) -> str:
    """Of a kind, and of some of its cases."""
    return f"{one.gravity}; {one.graver.gravity} where {one.graver.en}" if one.graver else str(one.gravity)
