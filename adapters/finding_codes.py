"""Every thing that may be said about a row or batch: the one table from which docs and wire take their words."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding means for its row."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class FindingCode:
    """One thing that can be said about a row: what it is and what its sender should do."""

    code: str
    severity: Severity
    vi: str
    en: str
    fix_vi: str
    fix_en: str


def _code(code: str, severity: Severity, *, vi: str, en: str, fix_vi: str, fix_en: str) -> tuple[str, FindingCode]:
    return code, FindingCode(code, severity, vi, en, fix_vi, fix_en)


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_TO_NUMBERS_VI = "Có thể cột bị Excel đổi thành số: định dạng cột là văn bản rồi xuất lại."
_TO_NUMBERS_EN = "A spreadsheet may have turned the column into numbers: format it as text and export again."

CATALOGUE: dict[str, FindingCode] = dict(
    [
        _code("KEY_MISSING", _E, vi="Bản ghi không có mã định danh của hệ thống nguồn.",
              en="The record has no key of the source system.",
              fix_vi="Xuất cột khoá (mã riêng của hệ thống) cho mọi bản ghi rồi gửi lại.",
              fix_en="Export the key column, the system's own number, for every record and send again."),
        _code("DUPLICATE_IN_BATCH", _E, vi="Mã bản ghi đã có ở một dòng trước trong cùng lô.",
              en="An earlier row of the same batch has this record id.",
              fix_vi="Mỗi lô chỉ gửi một phiên bản của mỗi bản ghi; phiên bản sau gửi ở lô sau.",
              fix_en="Send one version of a record in a batch, a later version in a later batch."),
        _code("ENCODING_INVALID", _E, vi="Bản ghi có byte hoặc ký tự không hợp lệ; `seen` cho vị trí byte trong tệp.",
              en="The record holds bytes or characters that no text may hold; `seen` gives the offset in the file.",
              fix_vi="Gõ lại giá trị của bản ghi này tại nguồn và gửi lại; kiểm tra bảng mã khi xuất.",
              fix_en="Type the value again at the source and send the record again; check the charset of the export."),
        _code("LEGACY_ENCODING", _E, vi="Văn bản ở bảng mã cũ (TCVN3, VNI) hoặc bị giải mã sai, không đúng khai báo.",
              en="Text in a legacy charset (TCVN3, VNI) or wrongly decoded text, against the declaration.",
              fix_vi="Xuất bằng Unicode, hoặc khai báo `charset` cho nguồn này; hệ thống không đoán.",
              fix_en="Export in Unicode, or declare the source's `charset`; it is never guessed."),
        _code("NUL_IN_TEXT", _E, vi="Văn bản có ký tự NUL.", en="The text holds a NUL character.",
              fix_vi="Xoá ký tự NUL (byte 0) tại nguồn và gửi lại.",
              fix_en="Remove the NUL at the source and send again."),
        _code("RECORD_UNREADABLE", _E, vi="Không đọc được cấu trúc của bản ghi.",
              en="The structure of the record cannot be read.",
              fix_vi="Kiểm tra dấu ngoặc, dấu nháy của bản ghi này, sửa và gửi lại.",
              fix_en="Check the brackets and quotes of this record, correct them and send it again."),
        _code("FIELD_COUNT", _E, vi="Số ô của dòng khác số cột ở dòng tiêu đề.",
              en="The row has another number of fields than the header has columns.",
              fix_vi="Đặt trong dấu nháy các giá trị có dấu phân cách; kiểm tra dòng bị ngắt giữa chừng.",
              fix_en="Quote the values that contain the separator; look for a row that was broken in two."),
        _code("FIELD_REPEATED", _E, vi="Một trường xuất hiện hai lần trong bản ghi.",
              en="A field occurs twice in the record.",
              fix_vi="Mỗi trường chỉ xuất một lần.", fix_en="Export each field once."),
        _code("HEADER_REPEATED", _E, vi="Dòng này lặp lại dòng tiêu đề.", en="The row repeats the header.",
              fix_vi="Bỏ dòng tiêu đề thừa, thường có khi ghép nhiều tệp.",
              fix_en="Remove the extra header row; it often comes from joining files."),
        _code("TEXT_TOO_LONG", _E, vi="Một giá trị dài quá 4.000 byte.", en="A value is longer than 4,000 bytes.",
              fix_vi="Tìm dấu nháy chưa đóng hoặc văn bản dán nhầm; rút ngắn giá trị tại nguồn.",
              fix_en="Look for a quote that does not close or a text pasted by mistake; shorten the value."),
        _code("MIXED_SCRIPT", _W, vi="Một từ lẫn chữ Latinh với chữ Kirin hoặc Hy Lạp trông giống nhau; giữ nguyên.",
              en="A word mixes Latin letters with Cyrillic or Greek ones that look the same; kept as sent.",
              fix_vi="Gõ lại cả từ bằng bộ gõ tiếng Việt (Unicode); bản ghi khó khớp cho đến khi sửa.",
              fix_en="Type the whole word again in Vietnamese Unicode; until then the record matches badly."),
        _code("DATE_INVALID", _W, vi="Không phải ngày có thật theo các dạng đã khai báo; để trống.",
              en="No real date in any declared style; left empty.",
              fix_vi="Sửa ngày tại nguồn, hoặc khai báo đúng dạng ngày của cột (`style`).",
              fix_en="Correct the date at the source, or declare the column's `style`."),
        _code("DATE_OUT_OF_RANGE", _W, vi="Năm ngoài khoảng 1900–2100; để trống.",
              en="The year is outside 1900–2100; left empty.",
              fix_vi="Sửa năm tại nguồn; nếu không rõ năm thì để trống.",
              fix_en="Correct the year at the source, or leave it empty where it is not known."),
        _code("BIRTH_AFTER_EVENT", _W, vi="Ngày sinh sau ngày của bản ghi hoặc sau ngày bắt đầu bảo hiểm; giữ cả hai.",
              en="The birth lies after the day of the record or the beginning of the insurance; both are kept.",
              fix_vi="Đối chiếu giấy khai sinh, sửa ngày bị sai.",
              fix_en="Compare with the birth certificate and correct the date that is wrong."),
        _code("DEATH_BEFORE_BIRTH", _W, vi="Ngày mất trước ngày sinh; giữ cả hai.",
              en="The death lies before the birth; both are kept.",
              fix_vi="Đối chiếu trích lục khai tử và giấy khai sinh, sửa ngày bị sai.",
              fix_en="Compare with the death and the birth certificate and correct the date that is wrong."),
        _code("DATE_IN_FUTURE", _W, vi="Ngày sau ngày xuất dữ liệu; để trống.",
              en="The date lies after the day of export; left empty.",
              fix_vi="Sửa ngày hoặc đồng hồ tại nguồn.", fix_en="Correct the date, or the clock, at the source."),
        _code("DATE_INCOMPLETE", _W, vi="Cần đủ ngày, tháng, năm; để trống, không tự đặt 1 tháng 1.",
              en="Day, month and year are needed; left empty, no 1 January is invented.",
              fix_vi="Bổ sung ngày và tháng nếu biết; không điền 01/01 thay cho ngày chưa biết.",
              fix_en="Add day and month where known; never write 1 January for a day that is not."),
        _code("ID_FORMAT", _W, vi="Số không đúng dạng (12, 10 hoặc 9 chữ số; thẻ BHYT 15 hoặc 10 ký tự); để trống.",
              en="Not of the number's form (12, 10 or 9 digits; health card 15 or 10 characters); left empty.",
              fix_vi=f"Sửa số tại nguồn. {_TO_NUMBERS_VI}", fix_en=f"Correct the number. {_TO_NUMBERS_EN}"),
        _code("ID_INCONSISTENT", _W,
              vi="Số định danh khác giới tính, thế kỷ hay năm sinh của bản ghi, hoặc có mã nơi khai sinh lạ; vẫn giữ.",
              en="The personal number differs from the record's sex, century or year of birth, or names no known place "
                 "(`seen` says which); kept, it may be lawful.",
              fix_vi="Đối chiếu với thẻ căn cước. Khác nhau có thể đúng luật (đã cải chính giới tính, năm sinh); "
                     "nếu gõ sai thì sửa tại nguồn.",
              fix_en="Compare with the identity card. It may be lawful (sex or year corrected later); correct the "
                     "source if it is a slip."),
        _code("HEALTH_CARD_INCONSISTENT", _W,
              vi="Thẻ BHYT có mức hưởng, mã tỉnh hoặc 10 số cuối khác danh mục hay khác mã số BHXH; vẫn giữ.",
              en="The health card's level, province or last 10 digits differ from the lists or from the insurance "
                 "number (`seen` says which); kept.",
              fix_vi="Đối chiếu với thẻ BHYT và mã số BHXH, sửa số bị sai.",
              fix_en="Compare with the card and the insurance number; correct the one that is wrong."),
        _code("LEADING_ZERO_MISSING", _W, vi="Thiếu số 0 ở đầu; đã thêm lại, chỉ là số dự đoán.",
              en="Leading zeros are missing; put back, so the number is a candidate.",
              fix_vi=_TO_NUMBERS_VI, fix_en=_TO_NUMBERS_EN),
        _code("CMND_ISSUER_UNKNOWN", _I,
              vi="Hai số đầu của CMND không thuộc nơi cấp nào trong bảng (bảng không chính thức); vẫn giữ.",
              en="The first two digits of the CMND name no issuing province on our list, which is not official; kept.",
              fix_vi="Nếu có nhiều dòng, kiểm tra cột có đúng là số CMND không.",
              fix_en="If there are many, check that the column really holds the CMND."),
        _code("INSURANCE_IS_PERSONAL", _I,
              vi="Cột mã số BHXH chứa số định danh cá nhân 12 số (thay mã số BHXH từ 01/8/2025); giữ nguyên.",
              en="The insurance number is a personal number of 12 digits, which replaces it from 1 August 2025; kept.",
              fix_vi="Không cần sửa; nên xuất thêm cột số định danh để ghép với mã số cũ.",
              fix_en="Nothing is wrong; export the personal number too, so that old and new numbers can be joined."),
        _code("UNIT_FORMAT", _W, vi="Mã xã không phải 5 chữ số; để trống.", en="No unit code of 5 digits; left empty.",
              fix_vi="Xuất mã xã 5 chữ số theo danh mục hành chính; tên xã để ở cột tên.",
              fix_en="Export the 5-digit code of the official list; a unit's name belongs in a column of names."),
        _code("UNIT_IS_DISTRICT", _W, vi="Mã 3 chữ số của huyện nằm ở cột mã xã; giữ nguyên.",
              en="A 3-digit district code stands in the commune column; kept as sent.",
              fix_vi="Xuất mã xã thay cho mã huyện; cấp huyện đã bỏ từ 01/7/2025.",
              fix_en="Export the commune code instead; there are no districts since 1 July 2025."),
        _code("CODE_UNKNOWN", _W, vi="Giá trị không có trong danh mục đã khai báo; để trống.",
              en="The value is not in the declared code list; left empty.",
              fix_vi="Sửa giá trị, hoặc khai báo đúng danh mục (`list`) mà hệ thống nguồn dùng.",
              fix_en="Correct the value, or declare the `list` that the source uses."),
        _code("NUMBER_INVALID", _W, vi="Không phải số nguyên trong khoảng 0–32.767; để trống.",
              en="No whole number between 0 and 32,767; left empty.",
              fix_vi="Sửa số tại nguồn; không ghi kèm đơn vị hay dấu phân cách hàng nghìn.",
              fix_en="Correct the number at the source; write no unit and no thousands separator."),
        _code("PERIOD_REVERSED", _W, vi="Ngày kết thúc trước ngày bắt đầu; vẫn giữ cả hai.",
              en="The period ends before it begins; both dates are kept.",
              fix_vi="Sửa thời hạn tại nguồn.", fix_en="Correct the period at the source."),
        _code("PERIOD_OVERLAPS", _W,
              vi="Hai thời hạn của cùng mã số BHXH và cùng loại bảo hiểm trùng nhau trong lô; giữ cả hai.",
              en="Two periods of one insurance number and scheme overlap within the batch; both are kept.",
              fix_vi="Kết thúc thời hạn cũ trước khi mở thời hạn mới, rồi gửi lại.",
              fix_en="End the earlier period before the next one begins and send both again."),
        _code("MEMBER_COUNT_UNLIKELY", _W, vi="Hộ có hơn 100 nhân khẩu; vẫn giữ.",
              en="A household of more than 100 members; kept.",
              fix_vi="Kiểm tra có gộp nhầm nhiều hộ, hoặc lấy nhầm cột khác.",
              fix_en="Check whether several households were joined, or another column was taken."),
        _code("HEAD_REPEATED", _W,
              vi="Một hộ có hai chủ hộ trong lô, hoặc một người là chủ của hai hộ; giữ nguyên.",
              en="A household has a second head within the batch, or one person heads two households; kept as sent.",
              fix_vi="Xác minh chủ hộ hiện nay và sửa quan hệ của người còn lại.",
              fix_en="Find out who the head is today and correct the relation of the other."),
        _code("INVISIBLE_CHARACTER", _W, vi="Có ký tự điều khiển, ẩn hoặc đổi chiều chữ; đã bỏ, tệp gốc vẫn lưu.",
              en="Control, invisible or direction-changing characters; removed, the file as sent is kept.",
              fix_vi="Gõ lại giá trị tại nguồn, không dán từ trang web hay tệp PDF.",
              fix_en="Type the value again at the source; do not paste it from a web page or PDF."),
        _code("VERSION_REUSED", _W, vi="Phiên bản này đã gửi với nội dung khác; nội dung đến sau được giữ.",
              en="This version was sent before with other content; what came later stands.",
              fix_vi="Tăng phiên bản, hoặc ghi cả giờ, mỗi khi bản ghi đổi.",
              fix_en="Raise the version, or give it a time of day, with every change."),
        _code("LEADING_ZERO_RESTORED", _I, vi="Cột khai báo là số: đã thêm lại số 0 ở đầu.",
              en="The column is declared as numbers: leading zeros were put back.",
              fix_vi=_TO_NUMBERS_VI, fix_en=_TO_NUMBERS_EN),
        _code("RECORDS_DELETED", _I, vi="Tệp có bản ghi đã đánh dấu xoá (DBF); không đọc các bản ghi đó.",
              en="The file holds records marked as deleted (DBF); they are not read.",
              fix_vi="Không cần làm gì; nén tệp (PACK) để bỏ hẳn.",
              fix_en="Nothing needs to be done; PACK the file to remove them."),
        _code("DSTROKE_REPLACED", _I, vi="Chữ Ð (U+00D0) đã đổi thành Đ (U+0110).",
              en="Ð (U+00D0) was replaced by Đ (U+0110).",
              fix_vi="Dùng bộ gõ Unicode dựng sẵn.", fix_en="Use an input method that types U+0110."),
        _code("COMPOSED", _I, vi="Unicode tổ hợp đã đổi thành dựng sẵn (NFC).",
              en="Decomposed Unicode was composed (NFC).",
              fix_vi="Xuất Unicode dựng sẵn.", fix_en="Export NFC text."),
        _code("CASE_RESTORED", _I, vi="Chữ hoa có dấu của TCVN3 (\"NGUYễN\") đã viết hoa lại.",
              en="Accented capitals of TCVN3 (\"NGUYễN\") were capitalised again.",
              fix_vi="Chuyển nguồn sang Unicode.", fix_en="Move the source to Unicode."),
        _code("SPACES_COLLAPSED", _I, vi="Khoảng trắng lặp hoặc khoảng trắng đặc biệt đã gộp thành một.",
              en="Repeated or unusual spaces were collapsed to one.",
              fix_vi="Không cần làm gì.", fix_en="Nothing needs to be done."),
        _code("CENTURY_ASSUMED", _I, vi="Năm hai chữ số: lấy thế kỷ gần nhất không sau ngày xuất.",
              en="Two-digit years: the latest century not after the export was taken.",
              fix_vi="Xuất năm bốn chữ số.", fix_en="Export four-digit years."),
        _code("SCHEMA_NEWER", _W,
              vi="Lô có trường mà phiên bản này của cổng chưa biết; các trường đó không được dùng.",
              en="The batch holds fields that this release of the gateway does not know; they are left out.",
              fix_vi="Báo cho đơn vị vận hành cổng nâng cấp, rồi gửi lại lô dưới số thứ tự mới.",
              fix_en="Ask the gateway's operator to upgrade, then send the batch again under a new sequence."),
        _code("VINTAGE_INFERRED", _I,
              vi="Nguồn không khai báo danh mục đơn vị hành chính; danh mục được suy ra từ chính các mã xã trong lô.",
              en="The source declares no list of units; which one it uses was inferred from the batch's own codes.",
              fix_vi="Xem số liệu ở `seen`; nếu đúng thì ghi `unit_codes` vào trang của tỉnh.",
              fix_en="Look at the evidence in `seen`; if it is right, write `unit_codes` on the province's page."),
        _code("VINTAGE_CONTRADICTED", _W,
              vi="Mã xã trong lô thuộc danh mục khác với danh mục đã khai báo cho nguồn.",
              en="The unit codes of the batch belong to another list than the one declared for the source.",
              fix_vi="Hỏi đơn vị quản lý hệ thống ngày chuyển mã, rồi sửa `unit_codes` trên trang của tỉnh.",
              fix_en="Ask the system's operator when it changed over, then correct `unit_codes` on the page."),
        _code("VINTAGE_MIXED", _W,
              vi="Lô có cả mã chỉ có trước và mã chỉ có sau khi sắp xếp đơn vị hành chính.",
              en="The batch holds codes that exist only before and codes that exist only after the merger of units.",
              fix_vi="Xuất riêng bản ghi theo từng danh mục, hoặc chuyển hết sang mã mới rồi gửi lại.",
              fix_en="Export the records of each list apart, or change all codes over and send again."),
        _code("STREAM_DRIFTED", _W,
              vi="Cột được ghi theo dạng khác với các lô trước của nguồn (mã, số định danh, bảng mã, Unicode, ngày).",
              en="A column is written in another form than in the source's earlier batches (codes, numbers, charset, "
              "Unicode, dates).",
              fix_vi="Hỏi đơn vị quản lý hệ thống đã thay đổi gì, rồi sửa trang của tỉnh hoặc khai báo định dạng.",
              fix_en="Ask the system's operator what was changed, then correct the province's page or the dialect."),
    ]
)  # fmt: skip
