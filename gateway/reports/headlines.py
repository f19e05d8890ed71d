"""The weekly report in five sentences, for who reads nothing else: what came, who meets all, what is stuck, what is
the oldest, whether anything was lost. Each says what the tables below it say.
"""

from typing import Any

from gateway.reports.page import count
from gateway.reports.words import Both
from reconciliation.numerals import ENGLISH, VIETNAMESE, counted

Figures = dict[str, Any]
_NAMED = 3  # provinces


def headlines(figures: Figures) -> list[Both]:
    """The sentences, in the order in which they are read."""
    return [_arrived(figures), _met(figures), _stuck(figures), *_oldest(figures), _conserved(figures)]


def _arrived(figures: Figures) -> Both:
    totals = figures["totals"]
    vi = {name: count(totals[name]) for name in ("received", "reconciled", "applied", "cases_open")}
    en = {name: ENGLISH.count(totals[name]) for name in ("reconciled", "applied")}
    received = counted(totals["received"], "record", "records")
    cases = counted(totals["cases_open"], "case is", "cases are")
    return (
        "Trong tuần đã nhận {received} bản ghi, đối soát {reconciled}, cơ sở dữ liệu quốc gia đã áp dụng {applied};"
        " còn {cases_open} hồ sơ chờ người quyết định.".format(**vi),
        f"Received {received}, reconciled {en['reconciled']}, applied by registries {en['applied']}; {cases} open.",
    )


def _met(figures: Figures) -> Both:
    provinces = figures["provinces"]
    whole = sum(all(one["met"] for one in province["indicators"]) for province in provinces)
    of = counted(len(provinces), "province", "provinces")
    return (
        f"{whole} trong {len(provinces)} tỉnh, thành phố đạt cả năm chỉ tiêu.",
        f"{whole} of {of} {'meets' if whole == 1 else 'meet'} all five indicators.",
    )


def _stuck(figures: Figures) -> Both:
    late = sorted((one for one in figures["provinces"] if one["stuck"]), key=lambda one: (-one["stuck"], one["code"]))
    if not late:
        return "Không việc nào quá hạn.", "Nothing is past its deadline."
    vi, en = (
        ", ".join(f"{one['name']} ({numerals.count(one['stuck'])})" for one in late[:_NAMED])
        for numerals in (VIETNAMESE, ENGLISH)
    )
    total = figures["totals"]["stuck"]
    stuck = counted(total, "update is past its deadline", "updates are past their deadline")
    return (
        f"{count(total)} cập nhật quá hạn ở {len(late)} tỉnh, thành phố, nhiều nhất: {vi}.",
        f"{stuck} in {counted(len(late), 'province', 'provinces')}, most in: {en}.",
    )


def _oldest(figures: Figures) -> list[Both]:
    if not figures["oldest"]:
        return []
    one = figures["oldest"][0]
    late = counted(one["days_late"], "day", "days")
    return [
        (
            f"Việc quá hạn lâu nhất: {one['province']}, quá {count(one['days_late'])} ngày, đang ở {one['person']}.",
            f"The oldest is {late} late, in {one['province']}, with {one['person']}.",
        )
    ]


def _conserved(figures: Figures) -> Both:
    open_ones = [
        province["name"]
        for province in figures["provinces"]
        for one in province["indicators"]
        if one["indicator"] == "conserved" and not one["met"]
    ]
    if not open_ones:
        return (
            "Không mất bản ghi nào: ở mọi tỉnh, số nhận bằng số đã xử lý cộng số đang chờ.",
            "No record was lost: everywhere, what was received is what was dealt with and what waits.",
        )
    named = ", ".join(open_ones)
    return f"Số liệu chưa khớp ở: {named}.", f"The balance does not close in: {named}."
