"""Figures as one page that needs nothing else: no script, no request, no other file; for a screen and for paper."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from gateway.reports import words
from gateway.reports.figures import Figures, by_code
from reconciliation.numerals import VIETNAMESE

_FOLDER = Path(__file__).with_name("templates")


def page(figures: Figures) -> str:
    """The report of one file as HTML."""
    return render("check.html", {"by_code": by_code(figures["findings"]), **figures})


def render(name: str, values: Figures) -> str:
    """A template with its values; every value is escaped, and one that is missing is an error."""
    return _template(name).render(values)


def count(number: int) -> str:
    """A number as Vietnam writes it: 1.234.567."""
    return VIETNAMESE.count(number)


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    environment.filters["tenth"] = VIETNAMESE.tenth
    environment.globals["words"] = words
    return environment.get_template(name)
