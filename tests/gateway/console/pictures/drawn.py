"""What tests look for in every picture: one well-formed SVG, nothing that runs, nothing outside its edges."""

import re
from xml.etree.ElementTree import Element, fromstring

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "defs", "pattern", "rect", "text", "path", "polyline", "circle"}
ATTRIBUTES = {
    *("viewBox", "width", "height", "role", "class", "aria-labelledby", "id", "x", "y", "cx", "cy", "r", "d", "points"),
    *("font-family", "font-size", "font-weight", "text-anchor", "pointer-events", "patternUnits"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray"),
}
# What one may hand to a picture to break out of it.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "javascript:alert(1)",
    "]]>&\x00\ud800",
)


def well_formed(drawn: str) -> Element:
    """The picture's root, after a look at all of it: elements, attributes, title and description, bounds."""
    root = fromstring(drawn)  # noqa: S314 - of our own making
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
    title, desc = root[0], root[1]
    assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {desc.attrib['id']}"
    assert title.text
    _inside(root)
    return root


def _inside(root: Element) -> None:
    """No shape is negative, none leaves the picture by more than a stroke, no figure is NaN or endless."""
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for element in root.iter(f"{SVG}rect"):
        x, y, wide, high = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
        assert wide >= 0
        assert high >= 0
        assert -1 <= x <= x + wide <= width + 1
        assert -1 <= y <= y + high <= height + 1
    for element in root.iter(f"{SVG}polyline"):
        for x, y in (map(float, point.split(",")) for point in element.attrib["points"].split()):
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1
    for element in root.iter(f"{SVG}path"):
        assert re.fullmatch(r"[MLCHVZ0-9. -]+", element.attrib["d"])


def texts(root: Element) -> list[str]:
    """What is written in the picture, in its order."""
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def described(root: Element) -> str:
    """What a listener hears after the title."""
    return root[1].text or ""
