"""Which registry may see what: registries.toml, read and checked."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import Grant

SHIPPED = Path(__file__).parent / "registries.toml"

_OF_A_REGISTRY = {"consumer_id": str, "name": str}
_OF_A_KIND = {"fields": list, "of_record": bool, "purpose": str, "legal_reference": str}


def read_grants(path: Path = SHIPPED) -> list[Grant]:
    """The grants of a registries file, ordered as written.

    Raises ValueError, naming registry and field, when a name is unknown, missing or there twice, or a kind has not
    exactly one registry of record.
    """
    registries = tomllib.loads(path.read_text(encoding="utf-8")).get("registry", [])
    grants = [grant for registry in registries for grant in _grants_of(registry, path.name)]
    if repeated := _repeated([registry["consumer_id"] for registry in registries]):
        raise ValueError(f"{path.name}: {', '.join(repeated)} is there twice")
    for kind in RecordKind:
        of_record = [grant.consumer_id for grant in grants if grant.kind is kind and grant.of_record]
        if len(of_record) != 1:
            raise ValueError(f"{path.name}: {kind} needs one registry of record, not {len(of_record)}: {of_record}")
    return grants


def _grants_of(registry: Mapping[str, Any], file_name: str) -> Iterator[Grant]:
    place = f"{file_name}: {registry.get('consumer_id', 'a registry')}"
    own = {name: value for name, value in registry.items() if name not in set(RecordKind)}
    _check_names(own, _OF_A_REGISTRY, place)
    for kind in RecordKind:
        if kind not in registry:
            continue
        _check_names(registry[kind], _OF_A_KIND, f"{place}: {kind}")
        grant = Grant(**own, **(registry[kind] | {"fields": tuple(registry[kind]["fields"])}), kind=kind)
        if unknown := sorted(set(grant.fields) - set(GOLDEN_FIELDS[kind])):
            raise ValueError(f"{place}: {kind} has no field {', '.join(unknown)}")
        if repeated := _repeated(grant.fields):
            raise ValueError(f"{place}: {kind} names {', '.join(repeated)} twice")
        yield grant


def _check_names(given: Mapping[str, Any], expected: Mapping[str, type], place: str) -> None:
    if unknown := sorted(set(given) - set(expected)):
        raise ValueError(f"{place}: {', '.join(unknown)} is no name that is known here")
    for name, kind in expected.items():
        if not isinstance(given.get(name), kind):
            raise ValueError(f"{place}: {name} has to be there, as a {kind.__name__}")


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)
