"""The strokes that all pictures are made of. Every text is escaped here and nowhere else.

A picture holds no script, no style attribute and no address: shapes carry a class for the page's style sheet and an
attribute for paper, where there is none. Lengths are in units of the picture's own width, from its upper left corner.
"""

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from markupsafe import Markup

INK, SOFT, LINE, PAPER = "#14202e", "#4a5b6d", "#8797a8", "#ffffff"
ACCENT, GOOD, BAD = "#0b4f8a", "#0f6a35", "#a31621"
FONT = "Libertinus Serif, Segoe UI, Noto Sans, sans-serif"

# What tells the bands of a bar apart on paper and to whom colours look alike: each has its own grain.
BANDS = ("band-0", "band-1", "band-2", "band-3", "band-4")
_BAND_COLOURS = ("#c3d9ec", "#f0d9a8", "#e8b08a", "#d1797b", "#a31621")
_GRAINS = ("", "M0 6L6 0", "M0 0L6 6", "M0 6L6 0M0 0L6 6", "M3 0V6M0 3H6")

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARK_WIDTH = 0.6  # of a letter, in sizes of its font: the broad average of Vietnamese text
_ELLIPSIS = "…"


def picture(
    name: str, size: tuple[float, float], *, title: str, description: str, parts: Iterable[str], defs: str = ""
) -> Markup:
    """A whole picture. `name` is its id on the page; the title and the description are what a listener hears."""
    width, height = size
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {at(width)} {at(height)}" width="{at(width)}" '
        f'role="img" class="picture" aria-labelledby={quoted(f"{name}-title {name}-desc")} '
        f"font-family={quoted(FONT)}><title id={quoted(f'{name}-title')}>{said(title)}</title>"
        f"<desc id={quoted(f'{name}-desc')}>{said(description)}</desc>"
    )
    return Markup(f"{head}{defs}{''.join(parts)}</svg>")  # noqa: S704 - every text in it has gone through `said`


def said(text: str) -> str:
    """A text as it may stand in SVG, whatever it holds; what XML cannot hold at all shows as a replacement sign."""
    return escape(_NOT_XML.sub("\ufffd", text))


def quoted(text: str) -> str:
    """A text as an attribute's value, with its quotes."""
    return quoteattr(_NOT_XML.sub("\ufffd", text))


def at(place: float) -> str:
    """A length with a tenth, without a tail: 12, 12.5."""
    written = f"{place:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written


def words(
    text: str,
    place: tuple[float, float],
    *,
    size: float = 12,
    kind: str = "ink",
    anchor: str = "start",
    bold: bool = False,
) -> str:
    """A line of text at its base line."""
    fill = {"ink": INK, "soft": SOFT, "bad": BAD, "good": GOOD, "accent": ACCENT, "on-dark": PAPER}[kind]
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text x="{at(place[0])}" y="{at(place[1])}" class="picture-{kind}" fill="{fill}" font-size="{at(size)}" '
        f'text-anchor="{anchor}"{weight}>{said(text)}</text>'
    )


def bar(
    place: tuple[float, float], size: tuple[float, float], *, kind: str, fill: str, says: str = "", grain: str = ""
) -> str:
    """A rectangle; `says` is told of it when it is pointed at, `grain` the id of a pattern that lies over it."""
    inside = f"<title>{said(says)}</title>" if says else ""
    where = f'x="{at(place[0])}" y="{at(place[1])}" width="{at(size[0])}" height="{at(size[1])}"'
    over = f'<rect {where} fill="url(#{said(grain)})" pointer-events="none"/>' if grain else ""
    return f'<rect {where} class="picture-{kind}" fill="{fill}">{inside}</rect>{over}'


def stroke(points: Sequence[tuple[float, float]], *, kind: str, colour: str, width: float = 1, dash: str = "") -> str:
    """A line through points."""
    drawn = " ".join(f"{at(x)},{at(y)}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polyline points="{drawn}" class="picture-{kind}" fill="none" stroke="{colour}" '
        f'stroke-width="{at(width)}"{dashed}/>'
    )


def band_colour(band: int) -> str:
    """The colour of a band; the last one's for every band after it."""
    return _BAND_COLOURS[min(band, len(_BAND_COLOURS) - 1)]


def grain_id(name: str, band: int) -> str:
    """The id of a band's grain in the picture `name`; empty for the plain one."""
    place = min(band, len(_GRAINS) - 1)
    return f"{name}-grain-{place}" if _GRAINS[place] else ""


def grains(name: str, bands: int) -> str:
    """The grains of the first `bands` bands, for `picture(defs=…)`."""
    drawn = "".join(
        f'<pattern id={quoted(f"{name}-grain-{place}")} width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<path d="{grain}" class="picture-grain" stroke="{INK}" stroke-width="0.7" fill="none"/></pattern>'
        for place, grain in enumerate(_GRAINS[: max(bands, 0)])
        if grain
    )
    return f"<defs>{drawn}</defs>" if drawn else ""


def shortened(text: str, *, room: float, size: float) -> str:
    """A text cut so that it takes about `room` at a font's `size`; the whole of it belongs beside the picture."""
    most = max(1, int(room / (size * _MARK_WIDTH)))
    return text if len(text) <= most else text[: most - 1].rstrip() + _ELLIPSIS


def wrapped(text: str, *, room: float, size: float) -> tuple[str, ...]:
    """A text on one line or on two, broken between words where it can be; what does not fit on two is cut."""
    most = max(1, int(room / (size * _MARK_WIDTH)))
    if len(text) <= most:
        return (text,)
    end = text.rfind(" ", 1, most + 1)
    first, rest = (text[:end], text[end + 1 :]) if end > 0 else (text[:most], text[most:])
    return (first, shortened(rest, room=room, size=size))


def share(part: float) -> str:
    """A share of 0–1 in whole per cent, rounded so that neither 0 % nor 100 % is said of what is not."""
    percent = round(part * 100)
    if percent == 0 and part > 0:
        return "<1 %"
    if percent == 100 and part < 1:
        return ">99 %"
    return f"{percent} %"
