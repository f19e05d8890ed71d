"""The source a person means: by its id, by province/kind in either language, or by a dialect's folder."""

from datetime import date
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa

from adapters.catalogue import Cadence, Catalogue, Office, Source, VintageRule
from adapters.declaration import read_dialect
from adapters.steps import fold_name
from gateway.errors import GatewayError
from gateway.reports.plain import plain

_KINDS = {
    "population": "population",
    "person": "population",
    "people": "population",
    "dancu": "population",
    "nhankhau": "population",
    "household": "household",
    "households": "household",
    "ho": "household",
    "hokhau": "household",
    "hogiadinh": "household",
    "insurance": "insurance",
    "baohiem": "insurance",
    "bhxh": "insurance",
    "bhyt": "insurance",
}
_NEAREST = 3
_NOBODY = Office("none", "chưa khai báo · not declared")


class UnknownSourceError(GatewayError):
    """No source is called so; the message names the nearest."""


def source_named(text: str, catalogue: Catalogue) -> Source:
    """The source of an id such as lao-cai.population, or of laocai/population, "Lào Cai/dân cư", 10/population.

    Raises UnknownSourceError with the nearest ids.
    """
    if text in catalogue.sources:
        return catalogue.sources[text]
    wanted = _folded(text)
    by_name = _by_name(catalogue)
    if wanted in by_name:
        return by_name[wanted]
    raise UnknownSourceError(nearest_to(text, catalogue))


def nearest_to(text: str, catalogue: Catalogue) -> str:
    """What to say of a name that no source has: the nearest ids, in both languages."""
    wanted, by_name = _folded(text), _by_name(catalogue)
    nearest = get_close_matches(wanted, by_name, n=2 * _NEAREST, cutoff=0.5)
    ids = list(dict.fromkeys(by_name[name].source_id for name in nearest))[:_NEAREST]
    return _unknown(plain(text), ids or sorted(catalogue.sources)[:_NEAREST])


def source_of_dialect(folder: Path) -> Source:
    """A source of no province that speaks the dialect of a folder as it stands; for a dialect still being written."""
    dialect = read_dialect(folder)
    vintage = dialect.sample.unit_vintage
    return Source(
        source_id=f"dialect.{dialect.name}",
        province_code="00",
        former_province_code="00",
        former_province_name="–",
        kind=dialect.kind,
        dialect=dialect,
        unit_codes=(VintageRule(date.min, vintage),) if vintage else (),
        cadence=Cadence.MONTHLY,
        steward_office=_NOBODY,
        residence_office=_NOBODY,
    )


def _by_name(catalogue: Catalogue) -> dict[str, Source]:
    """Every source under province/kind: the slug, the name and the code of its former province."""
    sources = list(catalogue.sources.values())
    slugs = [source.source_id.partition(".")[0] for source in sources]
    kinds = [source.source_id.partition(".")[2] for source in sources]
    named: dict[str, Source] = {}
    for places in (slugs, [one.former_province_name for one in sources], [one.former_province_code for one in sources]):
        keys = _keys(places)
        named |= {f"{key}/{kind}": source for key, kind, source in zip(keys, kinds, sources, strict=True)}
    return named


def _folded(text: str) -> str:
    """province/kind without accents, case, hyphens and spaces; "/" and "." are one."""
    place, _, kind = text.replace(".", "/").partition("/")
    place, kind = _keys([place, kind])
    return f"{place}/{_KINDS.get(kind, kind)}"


def _keys(words: list[str]) -> list[str]:
    folded = fold_name(pa.array([one.encode("utf-8", "replace").decode() for one in words], pa.string())).to_pylist()
    bare = ["".join(letter for letter in one if letter.isalnum()) for one in folded]
    return [one.removeprefix("tinh").removeprefix("thanhpho") for one in bare]


def _unknown(text: str, ids: list[str]) -> str:
    return (
        f"{text}: không có nguồn này. Gần nhất: {', '.join(ids)}. Xem: lienthong sources · "
        f"There is no such source. Nearest: {', '.join(ids)}. Next: lienthong sources"
    )
