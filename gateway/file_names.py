"""What the name of a source's file tells: the day of its export. One rule for whoever checks, pushes or watches."""

import re
from datetime import date

_DAY = re.compile(r"(?<!\d)(20\d\d)(-?)(\d\d)\2(\d\d)(?!\d)")


def day_named(name: str) -> date | None:
    """The first day that stands in a name as yyyy-mm-dd or yyyymmdd; None without one. Digits that are no day say
    nothing.
    """
    for year, _, month, day in _DAY.findall(name):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None
