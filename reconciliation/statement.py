"""A province's balance as a document: what the gateway says of every record, and what the province can hold against it.

Figures are by source and day, by spool and day, by former unit and by today's unit. The bytes are canonical, so that a
signature is over what was said. No personal data: codes, counts, and the receipts and rows of what is missing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

FORM = "lienthong.balance/1"


@dataclass(frozen=True, kw_only=True)
class SourceDay:
    """The records of one source that landed on one day (Vietnam's).

    `received` is what the receipts say; the others are counted where the records lie: `pending` waits for a decision
    before it may be published, `accepted` is published or ended.
    """

    source_id: str
    kind: str
    day: date
    received: int
    accepted: int
    quarantined: int
    superseded: int
    pending: int

    @property
    def missing(self) -> int:
        """Records of the receipts that lie nowhere; below 0, records that no receipt tells of."""
        return self.received - self.accepted - self.quarantined - self.superseded - self.pending


@dataclass(frozen=True, kw_only=True)
class LedgerDay:
    """The batches of one spool that landed on one day, which its sender can count as well.

    `digest` is the SHA-256 (hex) of the batches' own, one after another in the order of their numbers.
    """

    source_id: str
    epoch: str
    day: date
    batches: int
    first: int
    last: int
    received: int
    accepted: int
    superseded: int
    quarantined: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class FormerUnit:
    """The standing records that a former unit brought (None: that of no former unit), and where they are today.

    `current` counts what is published, by today's unit; `exceptions` what is not, by why: the state it waits in, or
    withdrawn.
    """

    kind: str
    former_unit_code: str | None
    records: int
    current: Mapping[str, int]
    exceptions: Mapping[str, int]

    @property
    def missing(self) -> int:
        """Records that are neither published nor an exception."""
        return self.records - sum(self.current.values()) - sum(self.exceptions.values())


@dataclass(frozen=True, kw_only=True)
class CurrentUnit:
    """One unit of today: records = subjects + doubles + waiting, as balance.UnitBalance; None: in question."""

    kind: str
    unit_code: str | None
    former_units: int
    records: int
    waiting: int
    doubles: int
    subjects: int

    @property
    def missing(self) -> int:
        """Records that became no subject, double or question."""
        return self.records - self.subjects - self.doubles - self.waiting


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One thing that is not where it has to be, named so that whoever sent it can find it.

    `what` is state, version, head, subject or batch; `receipt_id` and `row` name the record as its receipt does. A
    lost batch has neither: then `epoch` and `sequence` name it.
    """

    what: str
    source_id: str
    receipt_id: UUID | None = None
    row: int | None = None
    epoch: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One balance of one province. `previous` is the SHA-256 (hex) of the bytes of the one before, None for the first.

    `losses` are at most MOST_LOSSES; `lost` is how many there are.
    """

    province_code: str
    made_at: datetime
    previous: str | None
    sources: tuple[SourceDay, ...]
    ledger: tuple[LedgerDay, ...]
    former_units: tuple[FormerUnit, ...]
    current_units: tuple[CurrentUnit, ...]
    lost: int = 0
    losses: tuple[Loss, ...] = field(default=())

    @property
    def is_closed(self) -> bool:
        """Whether nothing is missing and nothing came from nowhere."""
        missing = (
            *(one.missing for one in self.sources),
            *(one.missing for one in self.former_units),
            *(one.missing for one in self.current_units),
        )
        return not self.lost and not any(missing)


def to_bytes(statement: Statement) -> bytes:
    """The bytes that are signed: JSON, its members in the order of their names, without white space."""
    return _json({"form": FORM} | asdict(statement))


def figures_sha256(statement: Statement) -> bytes:
    """What it says, whenever it says it and whatever was said before."""
    said = asdict(statement)
    return hashlib.sha256(_json({name: said[name] for name in said.keys() - {"made_at", "previous"}})).digest()


def from_bytes(content: bytes) -> Statement:
    """The statement in `content`. Raises ValueError when it is none of this form."""
    try:
        said = json.loads(content)
        if said.pop("form") != FORM:
            raise ValueError("another form")
        return Statement(
            **said
            | {
                "made_at": datetime.fromisoformat(said["made_at"]),
                "sources": tuple(SourceDay(**_dated(one)) for one in said["sources"]),
                "ledger": tuple(LedgerDay(**_dated(one)) for one in said["ledger"]),
                "former_units": tuple(FormerUnit(**one) for one in said["former_units"]),
                "current_units": tuple(CurrentUnit(**one) for one in said["current_units"]),
                "losses": tuple(_loss(one) for one in said["losses"]),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no balance of the form {FORM}") from error


def _dated(said: dict[str, Any]) -> dict[str, Any]:
    return said | {"day": date.fromisoformat(said["day"])}


def _loss(said: dict[str, Any]) -> Loss:
    return Loss(**said | {"receipt_id": UUID(said["receipt_id"]) if said["receipt_id"] else None})


def _json(said: object) -> bytes:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return text.encode()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
