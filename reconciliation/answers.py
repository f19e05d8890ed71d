"""What each decision on a kind of case is called in the words of its question, and what happens then.

The pages of stewards show it beneath each choice; docs/conflicts.md lists it. What a decision really does is in
review.py, pipeline.py and survivorship.py: whoever changes that changes the words here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciliation.model import Case, CaseKind, Decision


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One decision in both languages. `then` is what will happen; empty where the label says all."""

    vi: str
    en: str
    then_vi: str
    then_en: str


def answer(case: Case, decision: Decision) -> Answer:
    """What a decision on this case is called; where its kind has reasons, by the case's own."""
    reason = str(case.evidence.get("reason", ""))
    return OF_A_REASON.get((case.kind, reason, decision)) or ANSWERS[case.kind, decision]


def every() -> list[tuple[tuple[CaseKind, str, Decision], Answer]]:
    """All of them by kind, reason ('' for whatever reason) and decision, in the order of the kinds."""
    plain = {(kind, "", decision): said for (kind, decision), said in ANSWERS.items()}
    kinds = list(CaseKind)
    return sorted((plain | dict(OF_A_REASON)).items(), key=lambda one: kinds.index(one[0][0]))


def _answer(vi: str, en: str, then_vi: str, then_en: str) -> Answer:
    return Answer(vi=vi, en=en, then_vi=then_vi, then_en=then_en)


_NAMED_UNIT = _answer(
    "Bản ghi thuộc xã…",
    "The record belongs to the unit…",
    "Bản ghi được công bố ở xã đã chọn. Xã của tỉnh khác thì cần người thứ hai duyệt.",
    "It is published in the unit named. A unit of another province takes a second person.",
)
_WITHDRAWN = _answer(
    "Rút bản ghi",
    "Withdraw the record",
    "Phiên bản này không được công bố; đã công bố thì thu hồi. Nguồn gửi phiên bản mới thì xét lại.",
    "This version is not published, or is recalled. A new version of the source is looked at anew.",
)
_ONE_WITHDRAWN = _answer(
    "Rút một bản ghi",
    "Withdraw one of the records",
    "Bản ghi được chọn không được công bố, đã công bố thì thu hồi; các bản ghi còn lại đi tiếp.",
    "The record named is not published, or is recalled; the others go on.",
)
_JOINED = _answer(
    "Ghép: là một người",
    "Join: they are one person",
    "Còn một hồ sơ được công bố; bên nhận được báo hồ sơ nào nhập vào hồ sơ nào. Đảo lại được.",
    "One of them stays published; the registries are told which became part of which. It can be reversed.",
)
_PARTED = _answer(
    "Không phải một người",
    "Not one person",
    "Mỗi hồ sơ được công bố riêng; hai người này không bị hỏi lại.",
    "Each is published by itself; of these two nobody is asked again.",
)

ANSWERS: Mapping[tuple[CaseKind, Decision], Answer] = MappingProxyType(
    {
        (CaseKind.AMBIGUOUS_UNIT, Decision.UNIT): _NAMED_UNIT,
        (CaseKind.AMBIGUOUS_UNIT, Decision.WITHDRAW): _WITHDRAWN,
        (CaseKind.UNKNOWN_UNIT, Decision.UNIT): _NAMED_UNIT,
        (CaseKind.UNKNOWN_UNIT, Decision.WITHDRAW): _WITHDRAWN,
        (CaseKind.DOUBTFUL_MATCH, Decision.SAME): _JOINED,
        (CaseKind.DOUBTFUL_MATCH, Decision.NOT_SAME): _PARTED,
        (CaseKind.DOUBTFUL_MATCH, Decision.WITHDRAW): _ONE_WITHDRAWN,
        (CaseKind.TWO_UNITS_ONE_PERSON, Decision.UNIT): _answer(
            "Người này ở xã…",
            "The person lives in the unit…",
            "Công bố ở xã đã chọn, với thôn và địa chỉ của bản ghi ở xã đó; bản ghi kia vẫn là của người này.",
            "Published in the unit named, with the hamlet and address said there; both records stay the person's.",
        ),
        (CaseKind.TWO_UNITS_ONE_PERSON, Decision.KEEP): _answer(
            "Giữ như hiện tại: quy tắc chọn xã",
            "Keep as it is: the rule chooses the unit",
            "Một người, công bố ở xã của bản ghi có ngày sự kiện muộn hơn, rồi đến bản kết xuất mới hơn.",
            "One person, published where the record of the later event says, then that of the newer export.",
        ),
        (CaseKind.TWO_UNITS_ONE_PERSON, Decision.NOT_SAME): _answer(
            "Hai người khác nhau, mỗi người một xã",
            "Two people, each in a unit of their own",
            "Mỗi người được công bố riêng, ở xã của mình.",
            "Each is published by itself, in the unit it says.",
        ),
        (CaseKind.TWO_UNITS_ONE_PERSON, Decision.WITHDRAW): _ONE_WITHDRAWN,
        (CaseKind.ONE_NUMBER_TWO_PEOPLE, Decision.SAME): _JOINED,
        (CaseKind.ONE_NUMBER_TWO_PEOPLE, Decision.NOT_SAME): _answer(
            "Hai người: một bên ghi sai số",
            "Two people: one of the numbers is wrong",
            "Mỗi người được công bố riêng, với số đã khai; số không tự sửa, nguồn phải gửi bản sửa.",
            "Each is published by itself with the number it says; the source has to send the right one.",
        ),
        (CaseKind.ONE_NUMBER_TWO_PEOPLE, Decision.WITHDRAW): _ONE_WITHDRAWN,
        (CaseKind.BOOK_AGAINST_REGISTER, Decision.KEEP): _answer(
            "Nhận cả hai, mỗi bên như đã khai",
            "Accept both, each as it says",
            "Sổ bảo hiểm được công bố như sổ ghi; hồ sơ dân cư vẫn theo sổ dân cư.",
            "The book is published as it stands; the person stays as the register says.",
        ),
        (CaseKind.BOOK_AGAINST_REGISTER, Decision.NOT_SAME): _answer(
            "Sổ này của người khác",
            "The book is somebody else's",
            "Sổ không còn nối với người này; hồ sơ dân cư không đổi.",
            "The book is tied to this person no more; the register's entry stays.",
        ),
        (CaseKind.BOOK_AGAINST_REGISTER, Decision.WITHDRAW): _answer(
            "Dùng một bên: rút bản ghi của bên sai",
            "Use one side: withdraw the record of the other",
            "Rút bản ghi bảo hiểm là dùng sổ dân cư; rút bản ghi dân cư là dùng sổ bảo hiểm. Bản bị rút không công bố,"
            " đã công bố thì thu hồi.",
            "Withdraw the book's record to use the register's, and the reverse. What is withdrawn is not published,"
            " or is recalled.",
        ),
        (CaseKind.TWO_INSURANCE_BOOKS, Decision.KEEP): _answer(
            "Nhận cả hai sổ",
            "Accept both books",
            "Cả hai sổ được công bố, cùng của người này.",
            "Both are published as books of this person.",
        ),
        (CaseKind.TWO_INSURANCE_BOOKS, Decision.NOT_SAME): _answer(
            "Hai người, mỗi người một sổ",
            "Two people with a book each",
            "Các sổ được tách cho những người khác nhau; mỗi sổ được công bố riêng.",
            "The books are parted among different people; each is published by itself.",
        ),
        (CaseKind.TWO_INSURANCE_BOOKS, Decision.WITHDRAW): _answer(
            "Một sổ thừa: rút bản ghi của sổ đó",
            "One book too many: withdraw its record",
            _ONE_WITHDRAWN.then_vi,
            _ONE_WITHDRAWN.then_en,
        ),
        (CaseKind.OVERLAPPING_PERIODS, Decision.KEEP): _answer(
            "Không bản ghi nào sai: công bố thời hạn khai sau cùng",
            "No record is wrong: publish the period that was said last",
            "Mọi bản ghi giữ nguyên như đã khai. Sổ chỉ có một thời hạn: của bản ghi có ngày sự kiện muộn hơn.",
            "Every record stays as it is said. A book has one period: that of the record of the later event.",
        ),
        (CaseKind.OVERLAPPING_PERIODS, Decision.WITHDRAW): _answer(
            "Một thời hạn sai: rút bản ghi đó",
            "One period is wrong: withdraw its record",
            "Bản ghi được chọn không được công bố, đã công bố thì thu hồi. Muốn cắt ngắn thời hạn: hỏi lại tỉnh.",
            "The record named is not published, or is recalled. To have a period cut short, ask the province.",
        ),
        (CaseKind.CIRCULAR_RELATIONS, Decision.KEEP): _answer(
            "Nhận: quan hệ đúng như đã khai",
            "Accept: the relations are as they are said",
            "Các bản ghi được công bố với quan hệ đã khai.",
            "The records are published with the relations they say.",
        ),
        (CaseKind.CIRCULAR_RELATIONS, Decision.WITHDRAW): _answer(
            "Quan hệ sai: rút cả bản ghi khai nó",
            "A relation is wrong: withdraw the record that says it",
            "Cả bản ghi không được công bố, không chỉ quan hệ. Chỉ sai số của cha mẹ: hỏi lại tỉnh để có bản sửa.",
            "The whole record is not published, not only the relation. For a mistyped number, ask the province.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, Decision.KEEP): _answer(
            "Nhận các bản ghi như đã khai",
            "Accept the records as they are",
            "Mỗi bản ghi đi tiếp; ngày mất được công bố nếu còn bản ghi khai.",
            "Each goes on; a day of death is published while any record says one.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, Decision.NOT_SAME): _answer(
            "Người mất và người được cập nhật là hai người",
            "Who died and who was updated are two people",
            "Mỗi người được công bố riêng; chỉ người có bản ghi khai tử mang ngày mất.",
            "Each is published by itself; only who a record says has died is dead.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, Decision.WITHDRAW): _answer(
            "Một bản ghi sai: rút bản ghi đó",
            "One record is wrong: withdraw it",
            "Rút bản ghi khai tử thì ngày mất được thu hồi; rút bản cập nhật thì người này vẫn là đã mất.",
            "Withdrawing the death recalls it; withdrawing the update leaves the person dead.",
        ),
        (CaseKind.TWO_PROVINCES_ONE_PERSON, Decision.KEEP): _answer(
            "Nhận: người này ở tỉnh này",
            "Accept: the person lives in this province",
            "Được công bố ở đây; bản của tỉnh kia chưa mất, tỉnh đó được hỏi khi gửi bản cập nhật tiếp theo.",
            "Published here; the other province's stays, and it is asked when it next updates the person.",
        ),
        (CaseKind.TWO_PROVINCES_ONE_PERSON, Decision.WITHDRAW): _answer(
            "Người này ở tỉnh kia: rút bản ghi ở đây",
            "The person lives in the other province: withdraw the record here",
            "Bản ghi ở đây không được công bố; bản của tỉnh kia giữ nguyên.",
            "The record here is not published; the other province's stands.",
        ),
        (CaseKind.HOUSEHOLD_CLASH, Decision.KEEP): _answer(
            "Nhận: hộ đúng như đã khai",
            "Accept: the household is as it is said",
            "Hộ và nhân khẩu được công bố như đã khai.",
            "The household and its members are published as they are said.",
        ),
        (CaseKind.HOUSEHOLD_CLASH, Decision.WITHDRAW): _answer(
            "Có bản ghi sai: rút bản ghi đó",
            "A record is wrong: withdraw it",
            _ONE_WITHDRAWN.then_vi,
            _ONE_WITHDRAWN.then_en,
        ),
        (CaseKind.REFUSED_BY_REGISTRY, Decision.SEND_AGAIN): _answer(
            "Gửi lại cho bên nhận",
            "Send it to the registry again",
            "Cùng nội dung được công bố thêm một lần; bên nhận trả lời lại từ đầu. Không đảo được khi đã gửi.",
            "The same content is published once more; the registry answers anew. What is out cannot be called back.",
        ),
        (CaseKind.REFUSED_BY_REGISTRY, Decision.KEEP): _answer(
            "Giữ như hiện tại: chấp nhận từ chối",
            "Keep as it is: let the refusal stand",
            "Không gửi lại; các cập nhật này kết thúc là bị từ chối. Nguồn gửi bản mới thì bản mới đi tiếp.",
            "Nothing is sent again; these updates end as refused. A new version of the source goes on.",
        ),
        (CaseKind.MISSING_VERSION, Decision.KEEP): _answer(
            "Dùng bản cập nhật này",
            "Use this update",
            "Bản này đã đi tiếp khi hết hạn chờ, nay để yên; phiên bản thiếu đến sau thì không thay nó.",
            "It has gone on since the time to wait was over, and stays; the missing one does not replace it later.",
        ),
        (CaseKind.MISSING_VERSION, Decision.WITHDRAW): _answer(
            "Bỏ bản cập nhật này",
            "Drop this update",
            _WITHDRAWN.then_vi,
            _WITHDRAWN.then_en,
        ),
        (CaseKind.DUPLICATE_HAMLET, Decision.KEEP): _answer(
            "Giữ như hiện tại: giữ tên",
            "Keep as it is: the name stands",
            "Không bản ghi nào đổi hay bị giữ lại. Thôn, tổ được đổi tên thì tỉnh khai danh mục mới và hồ sơ tự đóng.",
            "No record changes or waits. Once the province tells of new names, the case closes by itself.",
        ),
        (CaseKind.UNSIGNED_EVENT, Decision.KEEP): _answer(
            "Giữ như hiện tại: tiếp tục chờ chữ ký",
            "Keep as it is: go on waiting for the signature",
            "Sự kiện vẫn chưa được công bố cho đến khi công chức hộ tịch ký.",
            "The event stays unpublished until a civil-status officer signs it.",
        ),
        (CaseKind.UNSIGNED_EVENT, Decision.WITHDRAW): _answer(
            "Bỏ sự kiện này",
            "Drop the event",
            "Bản khai sự kiện kết thúc, không được công bố; bản ghi trước đó giữ nguyên.",
            "The version that tells of it ends unpublished; the record stays as it was before.",
        ),
        (CaseKind.CITIZEN_CORRECTION, Decision.KEEP): _answer(
            "Dùng bản sửa của công dân",
            "Use the citizen's correction",
            "Bản sửa được tính như một bản ghi dân cư: giá trị mới được công bố nếu ngày sự kiện muộn hơn.",
            "It counts like a record of the register: what it says is published where its event is the later one.",
        ),
        (CaseKind.CITIZEN_CORRECTION, Decision.NOT_SAME): _answer(
            "Bản sửa không phải của người này",
            "The correction is not this person's",
            "Bản sửa được tách khỏi người này; hồ sơ dân cư không đổi.",
            "It is parted from this person; the register's entry stays.",
        ),
        (CaseKind.CITIZEN_CORRECTION, Decision.WITHDRAW): _answer(
            "Bác bản sửa",
            "Refuse the correction",
            "Bản sửa không được công bố; hồ sơ dân cư không đổi.",
            "The correction is not published; the register's entry stays.",
        ),
        (CaseKind.POISONED, Decision.KEEP): _answer(
            "Xử lý lại bản ghi: quy tắc đã sửa",
            "Try the record again: the rule is mended",
            "Lần đối soát sau xét lại bản ghi; quy tắc còn hỏng thì bản ghi lại bị tách riêng và hỏi lại.",
            "The next run looks at it; if the rule still breaks, it is set aside and asked about once more.",
        ),
        (CaseKind.POISONED, Decision.WITHDRAW): _answer(
            "Bỏ bản ghi này",
            "Drop the record",
            _WITHDRAWN.then_vi,
            _WITHDRAWN.then_en,
        ),
    }
)

# Where the reason in a case's evidence makes the question another one.
OF_A_REASON: Mapping[tuple[CaseKind, str, Decision], Answer] = MappingProxyType(
    {
        (CaseKind.DEATH_THEN_UPDATE, "later_update", Decision.KEEP): _answer(
            "Nhận cả ngày mất và bản cập nhật",
            "Accept both the death and the update",
            "Người này được công bố là đã mất, kèm thông tin cập nhật sau.",
            "The person is published as dead, with what the later update says.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, "two_days", Decision.KEEP): _answer(
            "Nhận: đã mất, quy tắc chọn ngày",
            "Accept: dead, and the rule chooses the day",
            "Công bố một ngày mất: của bản có chữ ký hộ tịch, rồi của bản có ngày sự kiện muộn hơn.",
            "One day is published: that an officer signed, then that of the record of the later event.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, "two_days", Decision.NOT_SAME): _answer(
            "Hai người đã mất khác nhau",
            "Two people who died",
            "Mỗi người được công bố riêng, với ngày mất của mình.",
            "Each is published by itself, with the day of death it says.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, "two_days", Decision.WITHDRAW): _answer(
            "Một ngày mất sai: rút bản ghi đó",
            "One of the days is wrong: withdraw its record",
            _ONE_WITHDRAWN.then_vi,
            _ONE_WITHDRAWN.then_en,
        ),
        (CaseKind.DEATH_THEN_UPDATE, "resurrected", Decision.KEEP): _answer(
            "Nhận bản mới: bỏ ngày mất đã khai",
            "Accept the new version: it takes the death back",
            "Người này được công bố là còn sống, trừ khi bản ghi khác vẫn khai ngày mất.",
            "The person is published as alive, unless another record still says a day of death.",
        ),
        (CaseKind.DEATH_THEN_UPDATE, "resurrected", Decision.WITHDRAW): _answer(
            "Bỏ bản mới: người này đã mất",
            "Drop the new version: the person has died",
            "Phiên bản mới không được công bố; ngày mất đã công bố giữ nguyên.",
            "The new version is not published; the day of death that is published stands.",
        ),
        (CaseKind.HOUSEHOLD_CLASH, "head_dead", Decision.WITHDRAW): _answer(
            "Hồ sơ hộ đã cũ: rút hồ sơ hộ",
            "The household's record is outdated: withdraw it",
            "Hồ sơ hộ không được công bố, đã công bố thì thu hồi; bản ghi của nhân khẩu đi tiếp. Muốn có chủ hộ mới:"
            " hỏi lại tỉnh.",
            "The household's record is not published, or is recalled; its members' go on. For a new head, ask the"
            " province.",
        ),
        (CaseKind.HOUSEHOLD_CLASH, "head_missing", Decision.WITHDRAW): _answer(
            "Hồ sơ hộ sai: rút hồ sơ hộ",
            "The household's record is wrong: withdraw it",
            "Hồ sơ hộ không được công bố, đã công bố thì thu hồi; bản ghi của nhân khẩu đi tiếp. Muốn có chủ hộ:"
            " hỏi lại tỉnh.",
            "The household's record is not published, or is recalled; its members' go on. For a head, ask the"
            " province.",
        ),
    }
)
