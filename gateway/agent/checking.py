"""What a look at one thing found, and what to do about it, in both languages."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How one thing stands. Only WRONG keeps the agent from its work."""

    WELL = "well"
    WARNED = "warned"
    WRONG = "wrong"
    SKIPPED = "skipped"  # it cannot be looked at before something else is mended, or is not there to be looked at


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at. `fix_vi` and `fix_en` are empty when there is nothing to do."""

    name_vi: str
    name: str
    verdict: Verdict
    vi: str
    en: str
    fix_vi: str = ""
    fix_en: str = ""


@dataclass(frozen=True)
class Look:
    """The name of what is looked at; each method is one outcome."""

    name_vi: str
    name: str

    def well(self, vi: str, en: str) -> Check:
        """Nothing to do."""
        return Check(name_vi=self.name_vi, name=self.name, verdict=Verdict.WELL, vi=vi, en=en)

    def warned(self, vi: str, en: str, fix_vi: str, fix_en: str) -> Check:
        """It works, and somebody has to do something."""
        return Check(
            name_vi=self.name_vi, name=self.name, verdict=Verdict.WARNED, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en
        )

    def wrong(self, vi: str, en: str, fix_vi: str, fix_en: str) -> Check:
        """It does not work."""
        return Check(
            name_vi=self.name_vi, name=self.name, verdict=Verdict.WRONG, vi=vi, en=en, fix_vi=fix_vi, fix_en=fix_en
        )

    def skipped(self, vi: str, en: str) -> Check:
        """It was not looked at."""
        return Check(name_vi=self.name_vi, name=self.name, verdict=Verdict.SKIPPED, vi=vi, en=en)
