"""The closed vocabulary of column steps. A declaration names them; new behaviour is a new name here.

Every step is pure, columnar and null-preserving. Text steps may follow one another; the others come last.
"""

import pyarrow as pa

from adapters.steps import amounts, codes, dates, numbers, text
from adapters.steps.folding import fold_name, fold_tone
from adapters.steps.model import Context, Option, Step, Stepped
from adapters.steps.splitting import NameRule, split_name

__all__ = ["STEPS", "Context", "NameRule", "Option", "Step", "Stepped", "fold_name", "fold_tone", "split_name"]

STEPS: dict[str, Step] = {
    # text
    "spaces": Step(text.spaces, is_text=True),
    "nfc": Step(text.nfc, is_text=True),
    "d_stroke": Step(text.d_stroke, is_text=True),
    "tcvn3_capitals": Step(text.tcvn3_capitals, is_text=True),
    "no_mojibake": Step(text.no_mojibake, is_text=True),
    # dates
    "partial_date": Step(dates.partial_date, (pa.int16(), pa.int8(), pa.int8()), Option.STYLE),
    "day": Step(dates.day, (pa.date32(),), Option.STYLE),
    "past_day": Step(dates.past_day, (pa.date32(),), Option.STYLE),
    "moment": Step(dates.moment, (pa.int64(), pa.date32()), Option.STYLE),
    # numbers that name somebody or something
    "personal_number": Step(numbers.personal_number),
    "cmnd": Step(numbers.cmnd),
    "identity_number": Step(numbers.identity_number, (pa.string(), pa.string())),
    "insurance_number": Step(numbers.insurance_number),
    "health_card": Step(numbers.health_card),
    "book_number": Step(numbers.book_number),
    # codes
    "unit_code": Step(codes.unit_code),
    "listed": Step(codes.listed, option=Option.LIST),
    "integer": Step(codes.integer, (pa.int16(),)),
    # money
    "monthly_amount": Step(amounts.monthly_amount, (pa.int64(),)),
}
