"""Who may say and see what, as a release ships it: every source its own province, registries by registries.toml."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from adapters.canonical import RecordKind
from adapters.catalogue import Catalogue
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import Grant, SourceGrant

SHIPPED = Path(__file__).parent / "registries.toml"

TRUST_DOMAIN = "lienthong"  # the authority of an identity: spiffe://lienthong/source/lao-cai.population

_OF_A_REGISTRY = {"consumer_id": str, "name": str}
_MAYBE_OF_A_REGISTRY = {"identity_uri": str}
_OF_A_KIND = {"fields": list, "of_record": bool, "purpose": str, "legal_reference": str}
_MAYBE_OF_A_KIND = {"province_codes": list, "granted_from": date, "granted_until": date}
_LISTS = ("fields", "province_codes")

# Since when the provinces are today's, and so the first day on which their systems may speak for them.
_SINCE = date(2025, 7, 1)
_BY_LAW = {
    RecordKind.PERSON: ("cập nhật dữ liệu dân cư", "Luật Căn cước 26/2023/QH15"),
    RecordKind.HOUSEHOLD: ("cập nhật dữ liệu cư trú", "Luật Cư trú 68/2020/QH14"),
    RecordKind.INSURANCE: ("cập nhật dữ liệu bảo hiểm xã hội", "Luật Bảo hiểm xã hội 41/2024/QH15"),
}


def shipped_source_grants(catalogue: Catalogue, *, trust_domain: str = TRUST_DOMAIN) -> list[SourceGrant]:
    """What every declared source may send until an operator says otherwise: its own kind, about its own province."""
    return [
        SourceGrant(
            source_id=source.source_id,
            kind=source.kind,
            province_codes=(source.province_code,),
            identity_uris=(f"spiffe://{trust_domain}/source/{source.source_id}",),
            signature_required=False,
            purpose=_BY_LAW[source.kind][0],
            legal_reference=_BY_LAW[source.kind][1],
            granted_from=_SINCE,
        )
        for source in catalogue.sources.values()
    ]


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
    _check_names(own, _OF_A_REGISTRY, place, optional=_MAYBE_OF_A_REGISTRY)
    own = {"identity_uri": f"spiffe://{TRUST_DOMAIN}/consumer/{own['consumer_id']}"} | own
    for kind in RecordKind:
        if kind not in registry:
            continue
        said = registry[kind]
        _check_names(said, _OF_A_KIND, f"{place}: {kind}", optional=_MAYBE_OF_A_KIND)
        grant = Grant(**own, **(said | {name: tuple(said[name]) for name in _LISTS if name in said}), kind=kind)
        if grant.of_record and (grant.province_codes or grant.granted_from or grant.granted_until):
            raise ValueError(f"{place}: {kind} is of record: for the whole country and without an end")
        if unknown := sorted(set(grant.fields) - set(GOLDEN_FIELDS[kind])):
            raise ValueError(f"{place}: {kind} has no field {', '.join(unknown)}")
        if repeated := _repeated(grant.fields):
            raise ValueError(f"{place}: {kind} names {', '.join(repeated)} twice")
        yield grant


def _check_names(
    given: Mapping[str, Any], expected: Mapping[str, type], place: str, *, optional: Mapping[str, type]
) -> None:
    if unknown := sorted(set(given) - set(expected) - set(optional)):
        raise ValueError(f"{place}: {', '.join(unknown)} is no name that is known here")
    for name, kind in {**expected, **{name: kind for name, kind in optional.items() if name in given}}.items():
        if not isinstance(given.get(name), kind):
            raise ValueError(f"{place}: {name} has to be there, as a {kind.__name__}")


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)
