"""What each waiting state asks of its owner: the six clear words by which the Government wants work to be assigned.

Person, task, responsibility, authority, time, result (rõ người, rõ việc, rõ trách nhiệm, rõ thẩm quyền, rõ thời gian,
rõ kết quả). The person and the time are an update's own; the other four belong to the state that it is in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adapters.catalogue import Catalogue, Office, Province
from adapters.reference.units import vintages
from reconciliation.directory import Directory, directory
from reconciliation.lifecycle import Role
from reconciliation.model import State

Both = tuple[str, str]  # Vietnamese, English


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What has to be done, who answers for it, by what right, and what shows that it is done."""

    task: Both
    responsibility: Both
    authority: Both
    result: Both


_PROVINCE_ANSWERS = ("Cơ quan nêu tên, trước Chủ tịch UBND tỉnh", "the office named, to the province's chairperson")
_SHARED_DATA = ("Nghị định 278/2025/NĐ-CP", "Decree 278/2025")

DUTIES: Mapping[State, Duty] = MappingProxyType(
    {
        State.AWAITING_RECONCILIATION: Duty(
            task=("Chạy đối soát của tỉnh", "run the province's reconciliation"),
            responsibility=("Đơn vị vận hành cổng", "the gateway's operator"),
            authority=("Quy trình vận hành cổng", "the gateway's operating rules"),
            result=("Bản ghi được công bố hoặc có hồ sơ", "the record is published or has a case"),
        ),
        State.AWAITING_PREDECESSOR: Duty(
            task=("Gửi phiên bản còn thiếu", "send the version that is missing"),
            responsibility=("Cơ quan vận hành hệ thống nguồn", "the office that runs the source"),
            authority=_SHARED_DATA,
            result=("Phiên bản trước đã đến", "the earlier version has come"),
        ),
        State.AWAITING_SIGNATURE: Duty(
            task=("Ký số sự kiện hộ tịch", "sign the civil-status event"),
            responsibility=("Công chức hộ tịch", "the civil-status officer"),
            authority=("Luật Hộ tịch 2014; Thông tư 15/2025", "Law on Civil Status 2014; Circular 15/2025"),
            result=("Chữ ký hợp lệ đã gắn với sự kiện", "a valid signature stands under the event"),
        ),
        State.AWAITING_UNIT: Duty(
            task=("Xác minh nơi cư trú thuộc đơn vị mới nào", "verify to which new unit the residence belongs"),
            responsibility=_PROVINCE_ANSWERS,
            authority=("1555/BCA-C06; Luật Cư trú 2020", "1555/BCA-C06; Law on Residence 2020"),
            result=("Một đơn vị được ghi kèm căn cứ", "one unit is recorded with its ground"),
        ),
        State.AWAITING_MATCH: Duty(
            task=("Kết luận hai hồ sơ có phải một người", "say whether two records are one person"),
            responsibility=_PROVINCE_ANSWERS,
            authority=_SHARED_DATA,
            result=("Quyết định cùng hay khác người, có lý do", "a decision, same or not, with its reason"),
        ),
        State.AWAITING_STEWARD: Duty(
            task=("Quyết định giữa các nguồn trái nhau", "decide between sources that contradict each other"),
            responsibility=_PROVINCE_ANSWERS,
            authority=_SHARED_DATA,
            result=("Quyết định có lý do, bản ghi đi tiếp", "a decision with its reason; the record goes on"),
        ),
        State.AWAITING_PULL: Duty(
            task=("Nhận thay đổi đã công bố", "pull the changes that are published"),
            responsibility=("Cơ quan chủ quản cơ sở dữ liệu quốc gia", "the office of the national registry"),
            authority=_SHARED_DATA,
            result=("Đã xác nhận nhận đến vị trí đó", "the place in the feed is acknowledged"),
        ),
        State.AWAITING_OUTCOME: Duty(
            task=("Báo đã áp dụng hoặc từ chối", "report applied or refused"),
            responsibility=("Cơ quan chủ quản cơ sở dữ liệu quốc gia", "the office of the national registry"),
            authority=_SHARED_DATA,
            result=("Kết quả kèm lý do đã về tỉnh", "the outcome has reached the province with its reason"),
        ),
    }
)


def person(owner: str, *, catalogue: Catalogue, registries: Mapping[str, str], desks: Directory | None = None) -> str:
    """The office behind an owner of lifecycle.owner, in its own name; `registries` are names by consumer_id.

    An owner that no page names any more is given as it is written. The desk of a commune is that of `desks`, of today
    by the package's own tables when None.
    """
    whose, _, role = owner.rpartition("/")
    match role:
        case Role.STEERING:
            return "Ban Chỉ đạo, cơ quan thường trực về dữ liệu"
        case Role.OPERATOR:
            return "Đơn vị vận hành cổng Liên Thông"
        case Role.REGISTRY:
            return registries.get(whose, owner)
        case Role.SENDER:
            source = catalogue.sources.get(whose)
            return source.office.name if source else owner
        case _ if "/" in whose:
            return (desks or directory(vintages()[-1])).name(owner) or owner
        case _:
            province = catalogue.provinces.get(whose)
            return _office(province, Role(role)).name if province else owner


def _office(province: Province, role: Role) -> Office:
    by_role = {office.office_id.rpartition(".")[2]: office for office in province.offices}
    offices = {
        Role.RESIDENCE: province.residence_office,
        Role.STEWARD: province.steward_office,
        Role.REGISTRAR: by_role.get("justice", province.steward_office),
    }
    return offices[role]
