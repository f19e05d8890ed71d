"""How numbers are written: 1.234,5 in Vietnamese, 1,234.5 in English."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Numerals:
    """The marks between thousands and before a tenth."""

    thousands: str
    decimal: str

    def figure(self, number: float, form: str) -> str:
        """A number by a format specification of Python's: figure(1234.5, "+,.1f") is +1.234,5."""
        return format(number, form).translate(str.maketrans(",.", self.thousands + self.decimal))

    def count(self, number: int) -> str:
        """A whole number: 1.234.567."""
        return self.figure(number, ",d")

    def tenth(self, number: float) -> str:
        """A number with one tenth: 12,5."""
        return self.figure(number, ".1f")

    def signed(self, weight: float) -> str:
        """A match weight with its sign and a tenth: +9,0 and −3,5."""
        rounded = round(weight, 1)
        sign = "−" if rounded < 0 else "+" if rounded > 0 else ""
        return sign + self.tenth(abs(rounded))

    def percent(self, part: float) -> str:
        """A bound of 0–1 in per cent, without a tail: 0,1 %."""
        return f"{self.figure(part * 100, 'g')} %"


VIETNAMESE = Numerals(thousands=".", decimal=",")
ENGLISH = Numerals(thousands=",", decimal=".")


def counted(number: int, one: str, many: str) -> str:
    """So many of a thing in English: 1 record, 1,234 records."""
    return f"{ENGLISH.count(number)} {one if number == 1 else many}"
