"""What may be said about a row, in Vietnamese and English, and the table in which it is said.

An *error* puts its row in quarantine. A *warning* leaves the row usable: the value concerned is null, or kept
as sent where the catalogue says so. An *info* is a lawful repair of a whole column: it is reported once a
column, on row −1, with the number of rows it touched. `seen` shows the shape of a value, never the value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adapters.errors import NEXT_STEPS

FINDINGS = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),  # position in the batch, from 0; −1 = the whole batch
        pa.field("column", pa.string()),  # the source's own name; null when the whole row is meant
        pa.field("code", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("seen", pa.string()),  # the shape of the value, a count or an offset; never personal data
        pa.field("source_record_id", pa.string()),  # theirs; null on row −1 and where the key cannot be read
    ]
)

BATCH_ROW = -1
SHAPE_LENGTH = 40

# Control, format (zero width, bidi) and never-assigned characters.
INVISIBLE = r"[\x{0}-\x{1F}\x{7F}-\x{9F}\p{Cf}\x{2028}\x{2029}\x{FFFE}\x{FFFF}]"


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


@dataclass(frozen=True)
class Flag:
    """Rows of one column to which one code applies; `seen` is as long as `rows` and safe to show."""

    code: str
    rows: npt.NDArray[np.int64]
    seen: pa.Array


def flag(code: str, mask: pa.Array, values: pa.Array, *, is_public: bool = False) -> tuple[Flag, ...]:
    """Flags the rows where `mask` is true, showing the shape of `values` there (the value itself if public)."""
    hits = np.flatnonzero(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False))
    if not len(hits):
        return ()
    seen = values.take(pa.array(hits)).cast(pa.string())
    return (Flag(code, hits, seen if is_public else shape(seen)),)


def shape(values: pa.Array) -> pa.Array:
    """Digits as 9, letters as x, the rest as it is, cut to 40 characters: "31/02/1980" is "99/99/9999"."""
    hidden = pc.replace_substring_regex(values, INVISIBLE, "\N{REPLACEMENT CHARACTER}")
    letters = pc.replace_substring_regex(hidden, r"[A-Za-z\x{A1}-\x{FFFC}\x{10000}-\x{10FFFF}]", "x")
    return pc.utf8_slice_codeunits(pc.replace_substring_regex(letters, "[0-9]", "9"), 0, SHAPE_LENGTH)


def findings_table(flags: Sequence[tuple[str | None, Flag]], keys: pa.Array) -> pa.Table:
    """Flags with their column names as a `FINDINGS` table, ordered by row and, within it, as given.

    `keys` are the source's record ids by row.
    """
    single = [(column, one) for column, one in flags if CATALOGUE[one.code].severity is not Severity.INFO]
    repairs = [(column, one) for column, one in flags if CATALOGUE[one.code].severity is Severity.INFO]
    rows = np.concatenate([*(one.rows for _, one in single), np.empty(0, np.int64)])
    row = pa.array(rows, pa.int32())
    parts: dict[str, Any] = {
        "row": row,
        "column": _repeated([(column, len(one.rows)) for column, one in single]),
        "code": _repeated([(one.code, len(one.rows)) for _, one in single]),
        "severity": _repeated([(CATALOGUE[one.code].severity.value, len(one.rows)) for _, one in single]),
        "seen": pa.concat_arrays([pa.array([], pa.string()), *(one.seen for _, one in single)]),
        "source_record_id": keys.take(row),
    }
    by_row = pa.table(parts, schema=FINDINGS).take(pa.array(np.argsort(rows, kind="stable")))
    return pa.concat_tables([_repairs_table(repairs), by_row]).combine_chunks()


def _repairs_table(repairs: Sequence[tuple[str | None, Flag]]) -> pa.Table:
    """One row a column and code, with the number of rows repaired."""
    touched: dict[tuple[str | None, str], npt.NDArray[np.int64]] = {}
    for column, one in repairs:
        touched[column, one.code] = np.union1d(touched.get((column, one.code), []), one.rows).astype(np.int64)
    rows = [
        {
            "row": BATCH_ROW,
            "column": column,
            "code": code,
            "severity": Severity.INFO.value,
            "seen": f"rows: {len(repaired)}",
            "source_record_id": None,
        }
        for (column, code), repaired in touched.items()
    ]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def _repeated(runs: Sequence[tuple[str | None, int]]) -> pa.Array:
    """Each string as often as its count says."""
    words = pa.array([word for word, _ in runs], pa.string())
    return words.take(pa.array(np.repeat(np.arange(len(runs)), [count for _, count in runs]), pa.int64()))


def _code(code: str, severity: Severity, *, vi: str, en: str, fix_vi: str, fix_en: str) -> tuple[str, FindingCode]:
    return code, FindingCode(code, severity, vi, en, fix_vi, fix_en)


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_TO_NUMBERS_VI = "Có thể cột bị Excel đổi thành số: định dạng cột là văn bản rồi xuất lại."
_TO_NUMBERS_EN = "A spreadsheet may have turned the column into numbers: format it as text and export again."

CATALOGUE: dict[str, FindingCode] = dict(
    [
        _code("KEY_MISSING", _E, vi="Bản ghi không có mã định danh của hệ thống nguồn.",
              en="The record has no key of the source system.",
              fix_vi="Xuất cả cột khoá cho mọi bản ghi.", fix_en="Export the key column for every record."),
        _code("DUPLICATE_IN_BATCH", _E, vi="Mã bản ghi đã có ở một dòng trước trong cùng lô.",
              en="An earlier row of the same batch has this record id.",
              fix_vi="Mỗi lô chỉ gửi một phiên bản của mỗi bản ghi.",
              fix_en="Send one version of a record in a batch."),
        _code("ENCODING_INVALID", _E, vi="Bản ghi có byte hoặc ký tự không hợp lệ; `seen` cho vị trí byte trong tệp.",
              en="The record holds bytes or characters that no text may hold; `seen` gives the offset in the file.",
              fix_vi="Sửa bản ghi tại nguồn và gửi lại.", fix_en="Correct the record at the source and send it again."),
        _code("LEGACY_ENCODING", _E, vi="Văn bản ở bảng mã cũ (TCVN3, VNI) hoặc bị giải mã sai, không đúng khai báo.",
              en="Text in a legacy charset (TCVN3, VNI) or wrongly decoded text, against the declaration.",
              fix_vi="Xuất bằng Unicode, hoặc khai báo `charset` cho nguồn này; hệ thống không đoán.",
              fix_en="Export in Unicode, or declare the source's `charset`; it is never guessed."),
        _code("NUL_IN_TEXT", _E, vi="Văn bản có ký tự NUL.", en="The text holds a NUL character.",
              fix_vi="Xoá ký tự NUL tại nguồn và gửi lại.", fix_en="Remove the NUL at the source and send again."),
        _code("RECORD_UNREADABLE", _E, vi="Không đọc được cấu trúc của bản ghi.",
              en="The structure of the record cannot be read.",
              fix_vi="Kiểm tra dấu ngoặc, dấu nháy của bản ghi.",
              fix_en="Check the brackets and quotes of the record."),
        _code("FIELD_COUNT", _E, vi="Số ô của dòng khác số cột ở dòng tiêu đề.",
              en="The row has another number of fields than the header has columns.",
              fix_vi="Đặt trong dấu nháy các giá trị có dấu phân cách.",
              fix_en="Quote the values that contain the separator."),
        _code("FIELD_REPEATED", _E, vi="Một trường xuất hiện hai lần trong bản ghi.",
              en="A field occurs twice in the record.",
              fix_vi="Mỗi trường chỉ xuất một lần.", fix_en="Export each field once."),
        _code("HEADER_REPEATED", _E, vi="Dòng này lặp lại dòng tiêu đề.", en="The row repeats the header.",
              fix_vi="Bỏ các dòng tiêu đề thừa.", fix_en="Remove the extra header rows."),
        _code("TEXT_TOO_LONG", _E, vi="Một giá trị dài quá 4.000 byte.", en="A value is longer than 4,000 bytes.",
              fix_vi="Rút ngắn giá trị tại nguồn.", fix_en="Shorten the value at the source."),
        _code("DATE_INVALID", _W, vi="Không phải ngày có thật theo các dạng đã khai báo; để trống.",
              en="No real date in any declared style; left empty.",
              fix_vi="Sửa ngày tại nguồn, hoặc khai báo đúng dạng ngày.",
              fix_en="Correct the date at the source, or declare its style."),
        _code("DATE_OUT_OF_RANGE", _W, vi="Năm ngoài khoảng 1900–2100; để trống.",
              en="The year is outside 1900–2100; left empty.",
              fix_vi="Sửa năm tại nguồn.", fix_en="Correct the year at the source."),
        _code("DATE_IN_FUTURE", _W, vi="Ngày sau ngày xuất dữ liệu; để trống.",
              en="The date lies after the day of export; left empty.",
              fix_vi="Sửa ngày hoặc đồng hồ tại nguồn.", fix_en="Correct the date, or the clock, at the source."),
        _code("DATE_INCOMPLETE", _W, vi="Cần đủ ngày, tháng, năm; để trống, không tự đặt 1 tháng 1.",
              en="Day, month and year are needed; left empty, no 1 January is invented.",
              fix_vi="Bổ sung ngày và tháng nếu biết.", fix_en="Add day and month where known."),
        _code("ID_FORMAT", _W, vi="Số không đúng dạng (12, 10 hoặc 9 chữ số; thẻ BHYT 15 hoặc 10 ký tự); để trống.",
              en="Not of the number's form (12, 10 or 9 digits; health card 15 or 10 characters); left empty.",
              fix_vi=f"Sửa số tại nguồn. {_TO_NUMBERS_VI}", fix_en=f"Correct the number. {_TO_NUMBERS_EN}"),
        _code("ID_INCONSISTENT", _W, vi="Số định danh khác giới tính, năm sinh hoặc mã nơi khai sinh; vẫn giữ.",
              en="The personal number differs from sex, birth year or the list of places; kept, it may be lawful.",
              fix_vi="Đối chiếu với giấy tờ; có thể đúng luật.", fix_en="Compare with the papers; it may be lawful."),
        _code("LEADING_ZERO_MISSING", _W, vi="Thiếu số 0 ở đầu; đã thêm lại, chỉ là số dự đoán.",
              en="Leading zeros are missing; put back, so the number is a candidate.",
              fix_vi=_TO_NUMBERS_VI, fix_en=_TO_NUMBERS_EN),
        _code("UNIT_FORMAT", _W, vi="Mã xã không phải 5 chữ số; để trống.", en="No unit code of 5 digits; left empty.",
              fix_vi="Xuất mã xã 5 chữ số.", fix_en="Export the 5-digit commune code."),
        _code("UNIT_IS_DISTRICT", _W, vi="Mã 3 chữ số của huyện nằm ở cột mã xã; giữ nguyên.",
              en="A 3-digit district code stands in the commune column; kept as sent.",
              fix_vi="Xuất mã xã thay cho mã huyện.", fix_en="Export the commune code instead."),
        _code("CODE_UNKNOWN", _W, vi="Giá trị không có trong danh mục đã khai báo; để trống.",
              en="The value is not in the declared code list; left empty.",
              fix_vi="Sửa giá trị, hoặc khai báo đúng danh mục của nguồn.",
              fix_en="Correct the value, or declare the source's list."),
        _code("NUMBER_INVALID", _W, vi="Không phải số nguyên trong khoảng 0–32.767; để trống.",
              en="No whole number between 0 and 32,767; left empty.",
              fix_vi="Sửa số tại nguồn.", fix_en="Correct the number at the source."),
        _code("PERIOD_REVERSED", _W, vi="Ngày kết thúc trước ngày bắt đầu; vẫn giữ cả hai.",
              en="The period ends before it begins; both dates are kept.",
              fix_vi="Sửa thời hạn tại nguồn.", fix_en="Correct the period at the source."),
        _code("INVISIBLE_CHARACTER", _W, vi="Có ký tự điều khiển, ẩn hoặc đổi chiều; đã bỏ.",
              en="Control, invisible or direction-changing characters; removed.",
              fix_vi="Nhập lại giá trị tại nguồn.", fix_en="Type the value again at the source."),
        _code("VERSION_REUSED", _W, vi="Phiên bản này đã gửi với nội dung khác; nội dung đến sau được giữ.",
              en="This version was sent before with other content; what came later stands.",
              fix_vi="Tăng phiên bản, hoặc ghi cả giờ, mỗi khi bản ghi đổi.",
              fix_en="Raise the version, or give it a time of day, with every change."),
        _code("LEADING_ZERO_RESTORED", _I, vi="Cột khai báo là số: đã thêm lại số 0 ở đầu.",
              en="The column is declared as numbers: leading zeros were put back.",
              fix_vi=_TO_NUMBERS_VI, fix_en=_TO_NUMBERS_EN),
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
    ]
)  # fmt: skip


def render_markdown() -> str:
    """The catalogue and the reasons of refusal as docs/findings.md, which a test keeps current."""
    lines = [
        "# What the gateway says about rows and batches",
        "",
        'Written from `adapters/findings.py` and `adapters/errors.py`; `make test ARGS="--accept tests/adapters"`',
        "writes it again.",
        "",
        "## Findings about a row",
        "",
        "An *error* puts the row in quarantine; a *warning* leaves it usable; an *info* is a repair of a whole",
        "column, reported once (row −1) with the number of rows.",
        "",
        "| code | severity | meaning | nghĩa | what to do | cách sửa |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.code} | {one.severity} | {one.en} | {one.vi} | {one.fix_en} | {one.fix_vi} |"
        for one in CATALOGUE.values()
    ]
    lines += [
        "",
        "## Reasons for refusing a whole batch",
        "",
        "Nothing of the batch is kept, and the same bytes will be refused again.",
        "",
        "| reason | what to do | cách sửa |",
        "|---|---|---|",
    ]
    lines += [f"| {reason} | {english} | {vietnamese} |" for reason, (english, vietnamese) in NEXT_STEPS.items()]
    return "\n".join(lines) + "\n"
