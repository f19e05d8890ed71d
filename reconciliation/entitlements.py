"""Which registry may see what: registries.toml, read and checked."""

import tomllib
from pathlib import Path

from adapters.canonical import RecordKind
from reconciliation.golden import GOLDEN_FIELDS
from reconciliation.model import Grant

SHIPPED = Path(__file__).parent / "registries.toml"


def read_grants(path: Path = SHIPPED) -> list[Grant]:
    """The grants of a registries file, ordered as written.

    Raises ValueError, naming registry and field, when a field does not exist or a kind has not exactly one registry
    of record.
    """
    grants = [
        Grant(
            consumer_id=registry["consumer_id"],
            name=registry["name"],
            kind=kind,
            fields=tuple(registry[kind]["fields"]),
            of_record=registry[kind]["of_record"],
            purpose=registry[kind]["purpose"],
            legal_reference=registry[kind]["legal_reference"],
        )
        for registry in tomllib.loads(path.read_text(encoding="utf-8"))["registry"]
        for kind in RecordKind
        if kind in registry
    ]
    for grant in grants:
        if unknown := sorted(set(grant.fields) - set(GOLDEN_FIELDS[grant.kind])):
            raise ValueError(f"{path.name}: {grant.consumer_id}: {grant.kind} has no field {', '.join(unknown)}")
    for kind in RecordKind:
        of_record = [grant.consumer_id for grant in grants if grant.kind is kind and grant.of_record]
        if len(of_record) != 1:
            raise ValueError(f"{path.name}: {kind} needs one registry of record, not {len(of_record)}: {of_record}")
    return grants
