"""The fields of a record in the order in which people compare them, with their names and their values as text."""

from collections.abc import Mapping
from datetime import date

from gateway.console.words import later

# The three columns of a birth are one field, "birth".
LABELS: Mapping[str, str] = {
    "full_name": later("Họ và tên"),
    "birth": later("Ngày sinh"),
    "sex": later("Giới tính"),
    "personal_number": later("Số định danh"),
    "cmnd": later("Số CMND"),
    "insurance_number": later("Số sổ bảo hiểm"),
    "health_card": later("Thẻ bảo hiểm y tế"),
    "died_on": later("Ngày mất"),
    "ethnic_group": later("Dân tộc"),
    "unit_code": later("Xã, phường (mã đã gửi)"),
    "unit_name": later("Tên xã, phường đã gửi"),
    "hamlet": later("Thôn, tổ"),
    "address": later("Địa chỉ"),
    "household_number": later("Số hộ"),
    "former_number": later("Số hộ cũ"),
    "relation_to_head": later("Quan hệ với chủ hộ"),
    "head_name": later("Chủ hộ"),
    "head_personal_number": later("Số định danh chủ hộ"),
    "member_count": later("Số người trong hộ"),
    "father_name": later("Họ tên cha"),
    "father_number": later("Số định danh cha"),
    "mother_name": later("Họ tên mẹ"),
    "mother_number": later("Số định danh mẹ"),
    "spouse_name": later("Họ tên vợ, chồng"),
    "spouse_number": later("Số định danh vợ, chồng"),
    "scheme": later("Chế độ"),
    "valid_from": later("Tham gia từ"),
    "valid_to": later("Tham gia đến"),
    "first_clinic": later("Nơi khám ban đầu"),
    "contribution_salary": later("Mức đóng"),
}
_BIRTH = ("birth_year", "birth_month", "birth_day")
_SEXES: Mapping[str, str] = {"male": later("nam"), "female": later("nữ")}
# The codes of schemes are the catalogue's own: the law names them in words.
_SCHEMES: Mapping[str, str] = {
    "BHXH_BB": later("BHXH bắt buộc"),
    "BHXH_TN": later("BHXH tự nguyện"),
    "BHTN": later("bảo hiểm thất nghiệp"),
    "BHYT": later("bảo hiểm y tế"),
    "TNLD_BNN": later("bảo hiểm tai nạn lao động, bệnh nghề nghiệp"),
    "TC_HTXH": later("trợ cấp hưu trí xã hội"),
    "HT_BS": later("bảo hiểm hưu trí bổ sung"),
}
IN_WORDS = ("sex", "scheme")  # the fields whose text is still to be translated


def label_of(column: str) -> str:
    """What the field is called that a column of the registry belongs to; the column's name where it is in none."""
    return LABELS["birth"] if column in _BIRTH else LABELS.get(column, column)


def columns(field: str) -> tuple[str, ...]:
    """The columns of the registry that a field is made of."""
    return _BIRTH if field == "birth" else (field,)


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """By field what a record says; '' where it says nothing. Those of IN_WORDS are still to be translated."""
    return {field: text_of(field, values) for field in LABELS}


def text_of(field: str, values: Mapping[str, object]) -> str:
    """One field as text: dates dd/mm/yyyy, to the precision that is stated."""
    if field == "birth":
        year, month, day = (values.get(name) for name in _BIRTH)
        parts = [f"{part:02d}" for part in (day, month) if isinstance(part, int)]
        return "/".join([*parts, f"{year:04d}"]) if isinstance(year, int) else ""
    match values.get(field):
        case None:
            return ""
        case date() as day_of:
            return f"{day_of:%d/%m/%Y}"
        case str() as text if field == "sex":
            return _SEXES.get(text, text)
        case str() as text if field == "scheme":
            return _SCHEMES.get(text, text)
        case other:
            return str(other)
