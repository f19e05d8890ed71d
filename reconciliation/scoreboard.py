"""What the seven words mean of what stands in the registry: their formulas, and a day's scores of a province or unit.

One file is judged by adapters/quality/scoring.py; here many systems have been brought together, and doubles, stuck
updates and what registries made of them show as well. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from adapters.quality.scoring import MEANINGS as OF_A_FILE
from adapters.quality.scoring import Word

Both = tuple[str, str]  # Vietnamese, English
WORDS: tuple[Word, ...] = tuple(Word)


@dataclass(frozen=True, kw_only=True)
class Formula:
    """What is divided by what, and what that cannot show."""

    is_vi: str
    is_en: str
    limit_vi: str
    limit_en: str


FORMULAS: Mapping[Word, Formula] = MappingProxyType(
    {
        Word.RIGHT: Formula(
            is_vi="bản ghi hiện hành không có cảnh báo về giá trị ÷ bản ghi hiện hành",
            is_en="standing records without a warning about a value ÷ standing records",
            limit_vi="Chỉ xét dạng và sự nhất quán, không xét có đúng với người thật hay không.",
            limit_en="Form and consistency, not whether it is true of the person.",
        ),
        Word.COMPLETE: Formula(
            is_vi="ô có giá trị ÷ mọi ô của: họ tên, ngày sinh đủ, giới tính, số định danh, mã xã (bản ghi dân cư)",
            is_en="filled cells ÷ all cells of: name, whole birth date, sex, personal number, unit (of people)",
            limit_vi="Không cho biết còn thiếu những người nào.",
            limit_en="Which people are missing altogether does not show.",
        ),
        Word.CLEAN: Formula(
            is_vi="người khác nhau ÷ bản ghi dân cư, ở tỉnh cộng cả bản ghi bị cách ly",
            is_en="different people ÷ records of people; of a province, quarantined records count as well",
            limit_vi="Bản ghi bị cách ly không thuộc xã nào; người trùng chưa quyết định chưa được tính.",
            limit_en="A quarantined record belongs to no commune; doubles not decided on yet do not show.",
        ),
        Word.LIVE: Formula(
            is_vi="bản ghi hiện hành không quá hạn ở bước nào ÷ bản ghi hiện hành",
            is_en="standing records that are past no deadline ÷ standing records",
            limit_vi="Không cho biết hệ thống nguồn có chậm ghi nhận hay không.",
            limit_en="Whether a source was slow to record does not show.",
        ),
        Word.UNIFORM: Formula(
            is_vi="bản ghi mà nguồn đã gửi bằng mã xã hiện nay ÷ bản ghi hiện hành",
            is_en="records sent with a unit code of today ÷ standing records",
            limit_vi="Cổng tự chuyển mã cũ; phần này cho biết nguồn đã tự đổi chưa.",
            limit_en="Old codes are recoded here; this says whether the source itself has changed over.",
        ),
        Word.CONNECTED: Formula(
            is_vi="bản ghi dân cư có số định danh cá nhân ÷ bản ghi dân cư",
            is_en="records of people with a personal number ÷ records of people",
            limit_vi="Có khoá nối; số có đúng của người đó không thì phải đối chiếu.",
            limit_en="The key is there; whether it is that person's takes a comparison.",
        ),
        Word.SHARED: Formula(
            is_vi="bản ghi mà cơ sở dữ liệu quốc gia đã báo áp dụng ÷ bản ghi hiện hành",
            is_en="records that a national registry has reported as applied ÷ standing records",
            limit_vi="Chỉ tính cơ sở dữ liệu chủ quản của loại bản ghi.",
            limit_en="Only the registry of record of each kind counts.",
        ),
    }
)


@dataclass(frozen=True)
class Score:
    """A part of a whole, on the scale of 0–100."""

    part: int
    whole: int

    @property
    def value(self) -> int | None:
        """Rounded down, so that 100 means all; None where there is nothing to have a part of."""
        return self.part * 100 // self.whole if self.whole else None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The seven words of one province on one day, or of one of its units; `unit_code` is None for the province."""

    province_code: str
    unit_code: str | None
    taken_on: date
    of: Mapping[Word, Score]


def called(word: Word) -> Both:
    """A word in both languages."""
    meaning = OF_A_FILE[word]
    return meaning.vi, meaning.en
