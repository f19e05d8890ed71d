"""The seven words by which Notice 624/TB-VPCP judges a database, as far as one file can show them. Pure.

Each score is a share of 0–100 by a stated formula, rounded down so that 100 means all. Where one file says nothing
the score is null and the reason is told: a made-up figure would be worse than none.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from adapters.catalogue import Cadence

PERIODS: dict[Cadence, int] = {Cadence.DAILY: 1, Cadence.WEEKLY: 7, Cadence.MONTHLY: 31}  # days


class Word(StrEnum):
    """The seven words, in the notice's order."""

    RIGHT = "dung"
    COMPLETE = "du"
    CLEAN = "sach"
    LIVE = "song"
    UNIFORM = "thong_nhat"
    CONNECTED = "ket_noi"
    SHARED = "dung_chung"


@dataclass(frozen=True)
class Meaning:
    """What a word is taken to mean here: its formula, and what no single file can show of it."""

    vi: str
    en: str
    formula_vi: str
    formula_en: str
    limit_vi: str
    limit_en: str


@dataclass(frozen=True)
class Score:
    """One word's score, or null where the file says nothing of it."""

    word: Word
    value: int | None

    @property
    def meaning(self) -> Meaning:
        """The word in both languages, its formula and its limit."""
        return MEANINGS[self.word]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What the scores are made of. Rows are of the whole file, cells of its mapped columns."""

    received: int
    usable: int
    doubtful: int  # usable rows with a warning about a value
    unclean: int  # rows quarantined, or with invisible characters
    repeated: int  # rows whose key another row of the file has
    cells: int  # of the columns that must be there
    filled: int  # of those
    values: int  # filled cells of every mapped column
    repaired: int  # of those, the ones rewritten in another form of the same text
    unit_codes: int  # rows with a unit code
    off_list: int  # of those, codes that the declared list does not have
    numbered: int  # usable rows with a personal number
    placed: int  # usable rows whose unit is one unit of today
    newest: date | None  # the last day on which a record changed
    has_versions: bool  # whether the source says when a record changed


def scores(counts: Counts, *, exported_on: date, cadence: Cadence) -> tuple[Score, ...]:
    """The seven scores, in the notice's order."""
    uniform = _share(counts.values - counts.repaired, counts.values)
    on_list = _share(counts.unit_codes - counts.off_list, counts.unit_codes)
    both = [one for one in (uniform, on_list) if one is not None]
    values: dict[Word, int | None] = {
        Word.RIGHT: _share(counts.usable - counts.doubtful, counts.usable),
        Word.COMPLETE: _share(counts.filled, counts.cells),
        Word.CLEAN: _share(max(0, counts.received - counts.unclean - counts.repeated), counts.received),
        Word.LIVE: _liveness(counts, exported_on, PERIODS[cadence]),
        Word.UNIFORM: min(both) if both else None,
        Word.CONNECTED: _share(counts.numbered, counts.usable),
        Word.SHARED: _share(counts.placed, counts.received),
    }
    return tuple(Score(word, values[word]) for word in Word)


def _share(part: int, whole: int) -> int | None:
    return part * 100 // whole if whole else None


def _liveness(counts: Counts, exported_on: date, period: int) -> int | None:
    """100 while the newest change is at most one period old, and in proportion less when it is older."""
    if not counts.has_versions or counts.newest is None:
        return None
    age = max((exported_on - counts.newest) // timedelta(days=1), period)
    return 100 * period // age


MEANINGS: dict[Word, Meaning] = {
    Word.RIGHT: Meaning(
        vi="đúng", en="right",
        formula_vi="bản ghi dùng được không có cảnh báo về giá trị ÷ bản ghi dùng được",
        formula_en="usable records without a warning about a value ÷ usable records",
        limit_vi="Chỉ xét dạng và sự nhất quán; có đúng với người thật hay không phải đối chiếu với cơ sở dữ liệu gốc.",
        limit_en="Form and consistency only; whether it is true takes a comparison with the registry of record.",
    ),
    Word.COMPLETE: Meaning(
        vi="đủ", en="complete",
        formula_vi="ô có giá trị ÷ mọi ô của các cột bắt buộc",
        formula_en="filled cells ÷ all cells of the columns that must be there",
        limit_vi="Một tệp không cho biết còn thiếu những người nào.",
        limit_en="One file cannot show which people are missing from it.",
    ),
    Word.CLEAN: Meaning(
        vi="sạch", en="clean",
        formula_vi="bản ghi không bị cách ly, không trùng khoá, không có ký tự ẩn ÷ bản ghi nhận được",
        formula_en="records not quarantined, of a key of their own, without invisible characters ÷ records received",
        limit_vi="Một người ở hai hệ thống chỉ lộ ra khi đối soát.",
        limit_en="One person in two systems shows only when systems are reconciled.",
    ),
    Word.LIVE: Meaning(
        vi="sống", en="live",
        formula_vi="kỳ xuất đã khai báo ÷ tuổi của thay đổi mới nhất (tính đến ngày xuất), không quá 100",
        formula_en="the declared period of export ÷ the age of the newest change on the day of export, at most 100",
        limit_vi="Việc gửi đúng hạn chỉ cổng mới đo được, qua nhiều lần gửi.",
        limit_en="Whether exports come in time is measured by the gateway, over many of them.",
    ),
    Word.UNIFORM: Meaning(
        vi="thống nhất", en="uniform",
        formula_vi="số nhỏ hơn: giá trị không phải sửa cách viết ÷ giá trị; mã xã đúng danh mục khai báo ÷ mã xã",
        formula_en="the lower: values that needed no rewriting ÷ values; unit codes on the declared list ÷ unit codes",
        limit_vi="Thống nhất với hệ thống khác không thể thấy từ một tệp.",
        limit_en="Uniformity with other systems cannot be seen in one file.",
    ),
    Word.CONNECTED: Meaning(
        vi="kết nối", en="connected",
        formula_vi="bản ghi dùng được có số định danh cá nhân ÷ bản ghi dùng được",
        formula_en="usable records with a personal number ÷ usable records",
        limit_vi="Có khoá nối; kết nối thật hay chưa thì cổng mới biết.",
        limit_en="The key to connect by is there; whether it connects is for the gateway to say.",
    ),
    Word.SHARED: Meaning(
        vi="dùng chung", en="shared",
        formula_vi="bản ghi dùng được mà mã đơn vị tự dẫn về một đơn vị hiện nay ÷ bản ghi nhận được",
        formula_en="usable records whose unit leads by itself to one unit of today ÷ records received",
        limit_vi="Sẵn sàng để dùng chung; đã có ai dùng hay chưa không thấy từ tệp.",
        limit_en="Ready to be shared; whether anybody uses it does not show in a file.",
    ),
}  # fmt: skip
