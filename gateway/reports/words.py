"""The words of a report in Vietnamese and English, by the closed names that figures use."""

from adapters.quality.profiling import FORMS, digit_form
from adapters.reference.explanations import MEANINGS, Explanation

Both = tuple[str, str]  # Vietnamese, English

SEVERITIES: dict[str, Both] = {
    "error": ("lỗi, bị cách ly", "error, quarantined"),
    "warning": ("cảnh báo", "warning"),
    "info": ("đã tự sửa", "repaired"),
}
SIGNS: dict[str, Both] = {
    "composed": ("dựng sẵn (NFC)", "composed (NFC)"),
    "decomposed": ("tổ hợp (NFD)", "decomposed (NFD)"),
    "legacy": ("nghi bảng mã cũ", "legacy charset suspected"),
    "icelandic": ("Ð thay cho Đ", "Ð for Đ"),
    "invisible": ("ký tự ẩn", "invisible characters"),
    "spaced": ("khoảng trắng thừa", "stray spaces"),
    "formula": ("bắt đầu như công thức", "begins like a formula"),
}
EXPORTED_ON_FROM: dict[str, Both] = {
    "option": ("theo --exported-on", "from --exported-on"),
    "file name": ("theo tên tệp", "from the file's name"),
    "time of the file": ("theo giờ sửa tệp; nếu sai, cho --exported-on", "the file's time; if wrong, --exported-on"),
    "sample": ("theo mẫu của phương ngữ", "from the dialect's sample"),
}
VINTAGES: dict[str, Both] = {
    "declared": ("theo khai báo, tệp không trái", "as declared, nothing speaks against it"),
    "confirmed": ("tệp xác nhận khai báo", "the file confirms the declaration"),
    "inferred": ("suy ra từ tệp, nguồn không khai báo", "inferred from the file, the source declares none"),
    "contradicted": ("TRÁI với khai báo: kiểm tra trước khi gửi", "AGAINST the declaration: look before sending"),
    "mixed": ("lẫn hai danh mục: kiểm tra trước khi gửi", "two lists mixed: look before sending"),
    "unknown": ("chưa xác định được", "cannot be told"),
}
OUTCOMES: dict[str, Both] = {
    "current": ("tự chuyển", "by itself"),
    "retired": ("mã đã đóng, tự chuyển", "retired code, by itself"),
    "ambiguous": ("chưa rõ, phải hỏi", "ambiguous, to be asked"),
    "unknown": ("không biết, phải hỏi", "unknown, to be asked"),
}
_FORMS: dict[str, Both] = {
    "scientific": ("số dạng 1,2E+11 (Excel làm hỏng)", "1.2E+11 (broken by a spreadsheet)"),
    "decimal": ("số thập phân", "decimal number"),
    "health card": ("thẻ 15 ký tự", "15-character card"),
    "letters and digits": ("chữ và số", "letters and digits"),
    "words": ("chữ", "words"),
}


def form(name: str) -> Both:
    """A form of adapters.quality.profiling in both languages; a date style is its own name in both."""
    if name in FORMS:
        return _FORMS.get(name, (name, name))
    if name == digit_form(10**6):
        return "15 chữ số trở lên", name
    return name.replace("digits", "chữ số"), name


def explanation(code: str) -> Both:
    """Why a unit is what it is."""
    meaning = MEANINGS[Explanation(code)]
    return meaning.vi, meaning.en
