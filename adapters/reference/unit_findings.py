"""What can be wrong with rows that operators and provinces give of units and hamlets, in Vietnamese and English.

A finding holds codes and places only.
"""

from dataclasses import dataclass
from enum import StrEnum


class UnitFault(StrEnum):
    """One way in which rows cannot be taken."""

    TOO_LARGE = "TOO_LARGE"
    FILE_UNKNOWN = "EVENT_FILE_UNKNOWN"
    ENCODING = "ENCODING"
    MALFORMED = "MALFORMED"
    HEAD_INVALID = "EVENT_HEAD_INVALID"
    HEAD_UNKNOWN = "EVENT_HEAD_UNKNOWN"
    COLUMNS = "COLUMNS"
    ROW_WIDTH = "ROW_WIDTH"
    ROW_REPEATED = "ROW_REPEATED"
    VALUE_INVALID = "VALUE_INVALID"
    NOTHING_CHANGES = "EVENT_NOTHING_CHANGES"
    KIND_DIFFERS = "EVENT_KIND_DIFFERS"
    UNIT_UNKNOWN = "EVENT_UNIT_UNKNOWN"
    PROVINCE_UNKNOWN = "EVENT_PROVINCE_UNKNOWN"
    SUCCESSOR_UNKNOWN = "EVENT_SUCCESSOR_UNKNOWN"
    OVERLAP = "EVENT_OVERLAP"
    LATER_KNOWN = "EVENT_LATER_KNOWN"
    CODE_REISSUED = "EVENT_CODE_REISSUED"
    OUTLIVES = "EVENT_PREDECESSOR_OUTLIVES"
    RESIDENTS_NOT_COVERED = "EVENT_RESIDENTS_NOT_COVERED"
    RESIDENTS_CONTRADICT = "EVENT_RESIDENTS_CONTRADICT"
    ORIGIN_MISSING = "EVENT_ORIGIN_MISSING"
    PROVINCE_ENDED = "EVENT_PROVINCE_ENDED"
    DISTRICT_UNKNOWN = "EVENT_DISTRICT_UNKNOWN"
    REPEATED = "EVENT_REPEATED"
    RESTED_ON = "EVENT_RESTED_ON"
    NOT_LOADED = "EVENT_NOT_LOADED"
    HAMLET_FORMER_UNKNOWN = "HAMLET_FORMER_UNKNOWN"
    HAMLET_NOT_SUCCESSOR = "HAMLET_NOT_SUCCESSOR"
    HAMLET_OTHER_PROVINCE = "HAMLET_OTHER_PROVINCE"
    HAMLET_DAYS_REVERSED = "HAMLET_DAYS_REVERSED"
    HAMLET_RENAMED_WITHOUT_DAY = "HAMLET_RENAMED_WITHOUT_DAY"
    HAMLET_NAME_EMPTY = "HAMLET_NAME_EMPTY"


WORDS: dict[UnitFault, tuple[str, str]] = {
    UnitFault.TOO_LARGE: ("Tệp quá lớn; chỉ để các dòng của sự kiện", "Too large; leave only the event's own rows"),
    UnitFault.FILE_UNKNOWN: ("Không nhận tệp này; bỏ ra khỏi thư mục", "Not a file of an event; take it out"),
    UnitFault.ENCODING: ("Không phải UTF-8; lưu lại bằng UTF-8", "Not UTF-8; save it as UTF-8"),
    UnitFault.MALFORMED: ("Không đọc được; sửa cú pháp", "Cannot be read; correct its syntax"),
    UnitFault.HEAD_INVALID: ("Thiếu hoặc sai; ghi giá trị loại đã nêu", "Missing or wrong; give a value of that sort"),
    UnitFault.HEAD_UNKNOWN: ("Không có khóa này; bỏ đi", "No such key; remove it"),
    UnitFault.COLUMNS: ("Thiếu hoặc thừa cột; sửa dòng tiêu đề", "Columns missing or unknown; correct the header"),
    UnitFault.ROW_WIDTH: ("Số ô khác số cột; sửa dòng", "The row has another number of cells; correct it"),
    UnitFault.ROW_REPEATED: ("Trùng dòng đã có; bỏ một dòng", "Said before at that place; remove one of them"),
    UnitFault.VALUE_INVALID: ("Giá trị không hợp lệ; sửa ô này", "Not a valid value; correct the cell"),
    UnitFault.NOTHING_CHANGES: ("Không có dòng nào; thêm các dòng", "It has no rows; add what changes"),
    UnitFault.KIND_DIFFERS: (
        "Các dòng không phải loại sự kiện đã nêu; sửa kind hoặc các dòng",
        "The rows are no event of that kind; correct kind, or the rows",
    ),
    UnitFault.UNIT_UNKNOWN: (
        "Mã không có hiệu lực ngày trước đó; kiểm tra mã và ngày",
        "No such unit the day before; check the code and the date",
    ),
    UnitFault.PROVINCE_UNKNOWN: (
        "Tỉnh không có hiệu lực ngày đó; kiểm tra mã tỉnh",
        "No such province on the day; check its code",
    ),
    UnitFault.SUCCESSOR_UNKNOWN: (
        "Đơn vị nhận không có hiệu lực ngày đó; thêm vào begins.csv",
        "No such unit on the day; add it to begins.csv",
    ),
    UnitFault.OVERLAP: (
        "Đơn vị còn hiệu lực khi lập lại; thêm vào ends.csv hoặc dùng changes.csv",
        "Still in force when it begins again; add it to ends.csv, or use changes.csv",
    ),
    UnitFault.LATER_KNOWN: (
        "Đã có thay đổi của đơn vị này vào hoặc sau ngày đó; gỡ sự kiện sau trước",
        "A change of this unit on or after that day is known; unload the later event first",
    ),
    UnitFault.CODE_REISSUED: (
        "Mã đã đóng không được cấp lại (QĐ 19/2025); dùng mã mới",
        "A closed code is never given again (Decision 19/2025); use a new one",
    ),
    UnitFault.OUTLIVES: (
        "Nhập toàn bộ vào đơn vị khác nhưng vẫn còn hiệu lực; thêm vào ends.csv",
        "Went whole to another unit and is still in force; add it to ends.csv",
    ),
    UnitFault.RESIDENTS_NOT_COVERED: (
        "Các cặp không cho biết hết dân cư đi đâu; thêm cặp còn thiếu",
        "The pairs do not say where all residents go; add the missing ones",
    ),
    UnitFault.RESIDENTS_CONTRADICT: (
        "Các cặp mâu thuẫn về dân cư; chỉ một cặp all, hoặc nhiều cặp some",
        "The pairs contradict each other on residents; one all, or several some",
    ),
    UnitFault.ORIGIN_MISSING: (
        "Đơn vị mới không được lập từ đâu; thêm cặp vào crosswalk.csv",
        "Made from nothing; add its pairs to crosswalk.csv",
    ),
    UnitFault.PROVINCE_ENDED: (
        "Tỉnh đã hết hiệu lực mà xã vẫn thuộc tỉnh; thêm vào changes.csv",
        "Its province ends and it still lies there; add it to changes.csv",
    ),
    UnitFault.DISTRICT_UNKNOWN: (
        "Huyện không có hiệu lực ngày đó; bỏ hoặc sửa mã huyện",
        "No such district on the day; remove or correct it",
    ),
    UnitFault.REPEATED: ("Sự kiện đã có; đổi id hoặc gỡ trước", "Known already; change its id, or unload it first"),
    UnitFault.RESTED_ON: (
        "Sự kiện khác dựa vào sự kiện này; gỡ sự kiện đó trước",
        "Another event rests on it; unload that one first",
    ),
    UnitFault.HAMLET_FORMER_UNKNOWN: (
        "Không có xã cũ mang mã này; kiểm tra former_unit_code",
        "No former commune has this code; check former_unit_code",
    ),
    UnitFault.HAMLET_NOT_SUCCESSOR: (
        "Xã cũ không có phần nào sang đơn vị này; kiểm tra unit_code",
        "No part of the former commune went to this unit; check unit_code",
    ),
    UnitFault.HAMLET_OTHER_PROVINCE: (
        "Đơn vị thuộc tỉnh khác; gửi qua tỉnh đó",
        "The unit lies in another province; have that one tell it",
    ),
    UnitFault.HAMLET_DAYS_REVERSED: (
        "valid_to trước valid_from; sửa ngày",
        "valid_to lies before valid_from; correct it",
    ),
    UnitFault.HAMLET_RENAMED_WITHOUT_DAY: (
        "Có tên mới mà không có ngày cuối của tên cũ; ghi valid_to",
        "Renamed without the old name's last day; give valid_to",
    ),
    UnitFault.HAMLET_NAME_EMPTY: ("Tên không có chữ hay số; ghi tên đầy đủ", "The name says nothing; write it in full"),
    UnitFault.NOT_LOADED: (
        "Chưa nạp sự kiện này; xem danh sách đã nạp",
        "No such event is loaded; list those that are",
    ),
}


@dataclass(frozen=True)
class UnitFinding:
    """One thing wrong: which fault, where (file:line), and the code or number concerned."""

    fault: UnitFault
    place: str
    seen: str

    @property
    def vi(self) -> str:
        """What it is and what to do."""
        return WORDS[self.fault][0]

    @property
    def en(self) -> str:
        """What it is and what to do."""
        return WORDS[self.fault][1]

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}{f' ({self.seen})' if self.seen else ''}: {self.en}."
