"""The closed vocabulary of answers about units: what came out, why, what decided and what would decide."""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What can be said of a unit as sent."""

    CURRENT = "current"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    RETIRED = "retired"  # closed before the list it was sent under; `unit_code` is what it became


class Decider(StrEnum):
    """What made the answer one unit. The weaker the evidence, the later in this list."""

    LAW = "law"  # the lists and the resolutions alone
    VINTAGE = "vintage"  # the declared list; without it the code would read as several units
    EVENT_DATE = "event_date"  # no vintage; the event lies before the later lists began
    PROVINCE = "province"  # no vintage; the other readings lie outside the source's province
    NAME = "name"
    HAMLET = "hamlet"
    RECORD = "record"  # the code the record itself was sent with; only when projecting to a former list


class Evidence(StrEnum):
    """What would settle an ambiguous answer, the cheapest first."""

    VINTAGE = "vintage"
    NAME = "name"
    CODE = "code"
    PROVINCE = "province"
    HAMLET = "hamlet"
    OFFICE = "office"  # the commune's office, which knows the household


class Explanation(StrEnum):
    """Why the answer is what it is. One a row; MEANINGS says it in words."""

    IN_FORCE = "IN_FORCE"
    WHOLE = "WHOLE"
    RESIDENTS_DETERMINED = "RESIDENTS_DETERMINED"
    RESIDENTS_SPLIT = "RESIDENTS_SPLIT"
    HAMLET_DECIDES = "HAMLET_DECIDES"
    HAMLET_SPLIT = "HAMLET_SPLIT"
    RETIRED = "RETIRED"
    RETIRED_THEN_SPLIT = "RETIRED_THEN_SPLIT"
    OLD_CODE_AFTER_MERGER = "OLD_CODE_AFTER_MERGER"
    NEW_CODE_BEFORE_MERGER = "NEW_CODE_BEFORE_MERGER"
    SAME_UNDER_BOTH_LISTS = "SAME_UNDER_BOTH_LISTS"
    ONLY_IN_ONE_LIST = "ONLY_IN_ONE_LIST"
    OTHER_READING_OUTSIDE_PROVINCE = "OTHER_READING_OUTSIDE_PROVINCE"
    VINTAGE_UNDECLARED = "VINTAGE_UNDECLARED"
    NAME_DECIDES_LIST = "NAME_DECIDES_LIST"
    NAME_INSTEAD_OF_CODE = "NAME_INSTEAD_OF_CODE"
    CODE_AND_NAME_MEET = "CODE_AND_NAME_MEET"
    NAME_DISAGREES = "NAME_DISAGREES"
    NAME_NOT_RECOGNISED = "NAME_NOT_RECOGNISED"
    HOMONYMS_TOGETHER = "HOMONYMS_TOGETHER"
    NAME_AMBIGUOUS = "NAME_AMBIGUOUS"
    LATER_UNIT_WHOLE = "LATER_UNIT_WHOLE"
    LATER_UNIT_OF_SEVERAL = "LATER_UNIT_OF_SEVERAL"
    LATER_UNIT_OF_NONE = "LATER_UNIT_OF_NONE"
    DISTRICT_CODE = "DISTRICT_CODE"
    PROVINCE_CODE = "PROVINCE_CODE"
    DISTRICT_NAME = "DISTRICT_NAME"
    PROVINCE_NAME = "PROVINCE_NAME"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    UNKNOWN_CODE = "UNKNOWN_CODE"
    NO_CODE = "NO_CODE"


class Meaning(NamedTuple):
    """One explanation in words, Vietnamese and English."""

    vi: str
    en: str


MEANINGS: dict[Explanation, Meaning] = {
    Explanation.IN_FORCE: Meaning("Mã đang có hiệu lực.", "The code is of the list in force."),
    Explanation.WHOLE: Meaning("Toàn bộ đơn vị cũ nhập vào một đơn vị.", "The whole unit became part of one unit."),
    Explanation.RESIDENTS_DETERMINED: Meaning(
        "Đơn vị bị chia nhưng toàn bộ dân cư về một đơn vị.",
        "The unit was divided, but all its residents went to one unit.",
    ),
    Explanation.RESIDENTS_SPLIT: Meaning(
        "Dân cư của đơn vị cũ về nhiều đơn vị; cần thôn/tổ hoặc xác minh của địa phương.",
        "Residents of the unit went to several units; the hamlet or the local office must tell.",
    ),
    Explanation.HAMLET_DECIDES: Meaning(
        "Thôn/tổ dân phố, theo danh sách tỉnh cung cấp, nằm trọn trong một đơn vị.",
        "The hamlet lies in one unit, by the list its province supplied.",
    ),
    Explanation.HAMLET_SPLIT: Meaning(
        "Chính thôn/tổ dân phố này nằm ở nhiều đơn vị mới.", "The hamlet itself lies in several of the units."
    ),
    Explanation.RETIRED: Meaning(
        "Mã đã đóng trước danh mục này; theo tiếp đơn vị kế thừa.",
        "The code was closed before the list; followed to what it became.",
    ),
    Explanation.RETIRED_THEN_SPLIT: Meaning(
        "Mã đã đóng, và đơn vị kế thừa sau đó bị chia.",
        "The code was closed before the list, and its successor was divided.",
    ),
    Explanation.OLD_CODE_AFTER_MERGER: Meaning(
        "Gửi theo danh mục sau nhưng chỉ có trong danh mục trước.",
        "Sent as of a later list, exists only in an earlier one.",
    ),
    Explanation.NEW_CODE_BEFORE_MERGER: Meaning(
        "Gửi theo danh mục trước nhưng chỉ có trong danh mục sau.",
        "Sent as of an earlier list, exists only in a later one.",
    ),
    Explanation.SAME_UNDER_BOTH_LISTS: Meaning(
        "Không rõ danh mục, nhưng đọc theo danh mục nào cũng về một đơn vị.",
        "No vintage, and every reading leads to one unit.",
    ),
    Explanation.ONLY_IN_ONE_LIST: Meaning(
        "Không rõ danh mục, nhưng chỉ một danh mục có.", "No vintage, and only one list has it."
    ),
    Explanation.OTHER_READING_OUTSIDE_PROVINCE: Meaning(
        "Không rõ danh mục; cách đọc khác nằm ngoài tỉnh của nguồn.",
        "No vintage; the other readings lie outside the source's province.",
    ),
    Explanation.VINTAGE_UNDECLARED: Meaning(
        "Không rõ danh mục, và mỗi danh mục cho một đơn vị khác.",
        "No vintage, and the readings lead to several units.",
    ),
    Explanation.NAME_DECIDES_LIST: Meaning(
        "Tên gửi kèm chỉ khớp với một cách đọc của mã.", "The name fits one reading of the code and not the others."
    ),
    Explanation.NAME_INSTEAD_OF_CODE: Meaning(
        "Mã không chỉ một xã nào; tên chỉ một đơn vị.", "The code names no commune; the name leads to one unit."
    ),
    Explanation.CODE_AND_NAME_MEET: Meaning(
        "Mã và tên chỉ hai đơn vị khác nhau, nay là một.", "Code and name mean different units which are one today."
    ),
    Explanation.NAME_DISAGREES: Meaning(
        "Mã chỉ một nơi, tên chỉ nơi khác.", "The code means one place, the name another."
    ),
    Explanation.NAME_NOT_RECOGNISED: Meaning(
        "Không danh mục nào có tên này; kết quả theo mã.", "No list has the name; the answer is the code's."
    ),
    Explanation.HOMONYMS_TOGETHER: Meaning(
        "Nhiều đơn vị cùng tên, nay là một.", "Several units have the name, and they are one today."
    ),
    Explanation.NAME_AMBIGUOUS: Meaning(
        "Nhiều đơn vị cùng tên, nay là các đơn vị khác nhau.", "Several units have the name, and they differ today."
    ),
    Explanation.LATER_UNIT_WHOLE: Meaning(
        "Hỏi về ngày trước khi có danh mục: đơn vị duy nhất tạo thành nó.",
        "The day asked about lies before the list: the one unit it was made of.",
    ),
    Explanation.LATER_UNIT_OF_SEVERAL: Meaning(
        "Hỏi về ngày trước khi có danh mục: được tạo từ nhiều đơn vị.",
        "The day asked about lies before the list: made of several units.",
    ),
    Explanation.LATER_UNIT_OF_NONE: Meaning(
        "Hỏi về ngày trước khi có danh mục: nơi đó không có xã.",
        "The day asked about lies before the list: no commune lay there.",
    ),
    Explanation.DISTRICT_CODE: Meaning(
        "Mã của cấp huyện, không phải của xã; các xã có thể thuộc chỉ được liệt kê khi không nhiều.",
        "A district's code, not a commune's; the communes it may be are listed only where they are few.",
    ),
    Explanation.PROVINCE_CODE: Meaning("Mã của cấp tỉnh.", "A province's code."),
    Explanation.DISTRICT_NAME: Meaning(
        "Chỉ có tên cấp huyện; các xã có thể thuộc chỉ được liệt kê khi không nhiều.",
        "Only a district's name; the communes it may be are listed only where they are few.",
    ),
    Explanation.PROVINCE_NAME: Meaning("Chỉ có tên cấp tỉnh.", "Only a province's name."),
    Explanation.NAME_UNKNOWN: Meaning("Không danh mục nào có tên này.", "No list has the name."),
    Explanation.UNKNOWN_CODE: Meaning("Không danh mục nào có mã này.", "No list has the code."),
    Explanation.NO_CODE: Meaning("Không có mã và không có tên.", "Neither a code nor a name was sent."),
}

_OUTCOMES = {
    Outcome.CURRENT: "One unit of today, by the law or by the evidence named in `decided_by`.",
    Outcome.RETIRED: "As current, but the code was closed before its list; the unit is what it became.",
    Outcome.AMBIGUOUS: "Several units of today are possible: all are named, and `would_decide` says what is missing.",
    Outcome.UNKNOWN: "No unit of today can be named.",
}
_DECIDERS = {
    Decider.LAW: "The code lists and the resolutions alone.",
    Decider.VINTAGE: "The declared list: without it the code would read as several units.",
    Decider.EVENT_DATE: "No list was declared, but the event lies before the later lists began.",
    Decider.PROVINCE: "No list was declared, and the other readings lie outside the source's province.",
    Decider.NAME: "The name sent with the code, or alone.",
    Decider.HAMLET: "The hamlet, by what its province told of it.",
    Decider.RECORD: "The record's own code; only when a unit is expressed on a former list.",
}
_EVIDENCE = {
    Evidence.VINTAGE: "The day of the code list (`unit_codes` on the source's page).",
    Evidence.NAME: "The unit's name beside its code.",
    Evidence.CODE: "The commune's code beside its name, or instead of the district's code.",
    Evidence.PROVINCE: "The province, behind the name or as that of the source.",
    Evidence.HAMLET: "The hamlet or residential group, once its province has told where it lies.",
    Evidence.OFFICE: "The commune's office, which knows the household.",
}

_OPENING = """\
# How a unit as sent becomes a unit of today

Written from `adapters/reference/explanations.py`; `make test ARGS="--accept tests/adapters"` writes it again.

A record says where somebody lives by a commune's code, by a name, or by both, perhaps with a hamlet. Nearly every
code of today was also a code before 1 July 2025, and more than half of those named another place. So a code means
nothing without its *vintage*, the list it is of; and of 10,035 communes 441 were divided, 381 of them so that no rule
can tell to which unit a resident belongs. `adapters/reference/resolve.py` answers each row with what can be known and
by which law, and otherwise with the candidates. It never takes the likeliest.

## In which order things are believed

1. **The declared vintage.** The code is read in that list; if that list does not have it, in the nearest earlier one
   (systems recode late), then in a later one. Codes closed in 2023–2025 are followed to what they became.
2. **Without a vintage** every list that had begun on the day of the event may be meant. If all readings lead to one
   unit, that is the answer; else readings outside the source's province are ruled out; else it is ambiguous.
3. **The name.** Names are equal whatever the tone place, the case, Đ or Ð, composed or not, "Xã" or "X.", "01" or "1".
   Behind commas follow the district and the province, and they must hold the unit. A name that fits the code in
   another list than the declared one decides the list. A name that means another place is never overruled and never
   believed alone: both places are candidates. Many communes share a name: alone, a name counts within the province of
   the source, and is ambiguous if several there have it. A bare "Sa Pa" may be the town or its district: it is read
   as the larger. An address is read for a name only where it says "xã", "phường", "thị trấn" or "đặc khu".
4. **The law.** A whole commune went to one unit: that is the answer. A divided one whose residents all went to one
   unit: likewise. Any other division is ambiguous.
5. **The hamlet** decides among the successors of a divided commune, and only where its province has told in which one
   the hamlet lies. A hamlet is known by its name and its former commune; "TDP 2", "Tổ dân phố số 02" and "tổ 2" are one
   name. Its new name counts from the day of the change; the old one is still followed afterwards, because systems
   rename late. A hamlet that was divided itself stays ambiguous.

District and province codes are no communes: a district is answered with its units of today where these are at most
ten, a province never. Which communes lie below them depends on the vintage too: seven province codes name another
province since the merger (15 was Yên Bái, is Lào Cai).

As known on an earlier day: give `resolve` the tables as they were known then; `rule_version` names what an answer
rests on. Back to a former list, for a registry that has not cut over: `adapters/reference/projecting.py`; most units
of today were made of several, and then only the record's own former code tells which, and the row says so.
"""

_VINTAGE = """\
## Which list a column is in

`adapters/vintage.py` weighs a column's own codes against what its source declares. Codes that only the old list has
are the evidence: where none occurs among many different communes of the province, the old list would be a miracle. A
few stray old codes in a recoded column change nothing. Where the codes contradict the declaration, or two lists are
mixed in one column, no vintage is relied on: each record is read by its own evidence or waits, rather than being moved
to another commune.
"""


def render_markdown() -> str:
    """The rules in words and every closed word of an answer, as docs/units.md, which a test keeps current."""
    lines = [_OPENING, "## What comes out (`outcome`)", "", "| outcome | meaning |", "|---|---|"]
    lines += [f"| {one} | {_OUTCOMES[one]} |" for one in Outcome]
    lines += ["", "## What it rests on (`decided_by`)", "", "| word | meaning |", "|---|---|"]
    lines += [f"| {one} | {_DECIDERS[one]} |" for one in Decider]
    lines += ["", "## What is missing (`would_decide`)", "", "| word | meaning |", "|---|---|"]
    lines += [f"| {one} | {_EVIDENCE[one]} |" for one in Evidence]
    lines += ["", "## Why (`explanation_code`)", "", "| code | meaning | nghĩa |", "|---|---|---|"]
    lines += [f"| {one} | {MEANINGS[one].en} | {MEANINGS[one].vi} |" for one in Explanation]
    return "\n".join([*lines, "", _VINTAGE])
