"""How numbers are written: 1.234,5 in Vietnamese, 1,234.5 in English."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Numerals:
    """The marks between thousands and before a tenth."""

    thousands: str
    decimal: str

    def count(self, number: int) -> str:
        """A whole number: 1.234.567."""
        return f"{number:,}".replace(",", self.thousands)

    def tenth(self, number: float) -> str:
        """A number with one tenth: 12,5."""
        return f"{number:.1f}".replace(".", self.decimal)

    def signed(self, weight: float) -> str:
        """A match weight with its sign and a tenth: +9,0 and −3,5."""
        rounded = round(weight, 1)
        sign = "−" if rounded < 0 else "+" if rounded > 0 else ""
        return sign + self.tenth(abs(rounded))

    def percent(self, part: float) -> str:
        """A bound of 0–1 in per cent, without a tail: 0,1 %."""
        return f"{part * 100:g} %".replace(".", self.decimal)


VIETNAMESE = Numerals(thousands=".", decimal=",")
ENGLISH = Numerals(thousands=",", decimal=".")
