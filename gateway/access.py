"""Who may speak for whom: the one place that decides, from what certificates say and what grants allow.

Whoever shows a certificate hears the same of what does not exist and of what is not theirs: the same message, with the
same facts, after the same steps. Nobody who is refused here has caused a look into the store. On a gateway without
certificates, which listens on loopback only, callers are believed, and the grant of whom they name holds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from adapters.canonical import RecordKind
from adapters.catalogue import Catalogue, Source
from gateway.errors import VERDICTS, Reason, RejectedCallError
from gateway.identity import Caller, Role, read_identity
from observability import metrics
from observability.logs import get_logger
from reconciliation.desk import Steward
from reconciliation.model import EVERYTHING, Grant, Grants, PortalGrant, Sight, SourceGrant

log = get_logger(__name__)

# What an unknown source is held against, so that the steps are those for a known one. Nobody may speak for it.
_NO_GRANT: Final = SourceGrant(
    source_id="",
    kind=RecordKind.PERSON,
    province_codes=(),
    identity_uris=(),
    signature_required=True,
    purpose="",
    legal_reference="",
    granted_from=date.max,
)


@dataclass(frozen=True, kw_only=True)
class GrantedSource:
    """A source that the caller may speak for, and about whom. `granted_until` is the last day; None is without end."""

    source: Source
    province_codes: tuple[str, ...]
    identity_uris: tuple[str, ...]  # who may speak, and sign, for it
    signature_required: bool
    granted_until: date | None
    legal_reference: str


@dataclass(frozen=True, kw_only=True)
class GrantedConsumer:
    """A registry that the caller may speak for, with its grants that hold today, by kind."""

    consumer_id: str
    grants: Mapping[RecordKind, Grant]


def source(catalogue: Catalogue, grants: Grants, caller: Caller, source_id: str, *, on: date) -> GrantedSource:
    """The source that the caller speaks for, as its grant holds on a day of Việt Nam.

    Raises RejectedCallError NOT_ENTITLED; SOURCE_UNKNOWN only where no certificate is asked for.
    """
    declared = catalogue.sources.get(source_id)
    grant = grants.sources.get(source_id, _NO_GRANT)
    may_speak = caller.uri is None or caller.uri in grant.identity_uris
    is_of_kind = declared is None or declared.kind is grant.kind
    if caller.uri is None and declared is None:
        raise _source_unknown(source_id)
    # No step above is left out for anybody: a refusal takes as long, whatever its cause.
    if declared is None or not (may_speak & grant.holds(on) & is_of_kind):
        raise not_entitled()
    return GrantedSource(
        source=declared,
        province_codes=grant.province_codes,
        identity_uris=grant.identity_uris,
        signature_required=grant.signature_required,
        granted_until=grant.granted_until,
        legal_reference=grant.legal_reference,
    )


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks where updates are: whose it may see, and the grant by which a portal does."""

    sight: Sight
    portal: PortalGrant | None = None


def asker(grants: Grants, caller: Caller, *, on: date) -> Asker:
    """Whose updates the caller may ask about: a source its own, a portal those of its grant, an operator all."""
    match _role(caller):
        case None | Role.OPERATOR:
            return Asker(sight=EVERYTHING)
        case Role.PORTAL:
            held = (one for one in grants.portals.values() if caller.uri in one.identity_uris and one.holds(on))
            portal = next(held, None)
            return Asker(sight=_sight(portal) if portal else Sight(), portal=portal)
        case _:
            return Asker(sight=Sight(source_ids=sources(grants, caller, on=on) or ()))


def may_name(catalogue: Catalogue, sight: Sight, source_id: str) -> bool:
    """Whether records of that source are in sight. Where they are not, nobody's are asked for, by the same query."""
    declared = catalogue.sources.get(source_id)
    areas = [(declared.kind, declared.province_code), (declared.kind, "")] if declared else []
    return sight.is_all | (source_id in sight.source_ids) | any(area in sight.areas for area in areas)


def watched(catalogue: Catalogue, grants: Grants, caller: Caller, source_id: str, *, on: date) -> str:
    """The source all of whose updates the caller may follow: its own, or any for an operator.

    Raises RejectedCallError NOT_ENTITLED; SOURCE_UNKNOWN only where no certificate is asked for.
    """
    if _role(caller) is Role.OPERATOR and source_id in catalogue.sources:
        return source_id
    return source(catalogue, grants, caller, source_id, on=on).source.source_id


def _role(caller: Caller) -> Role | None:
    """What the caller is; None on a gateway without certificates."""
    return None if caller.uri is None else read_identity(caller.uri).role


def _sight(portal: PortalGrant) -> Sight:
    return Sight(areas=tuple((kind, code) for kind in portal.kinds for code in portal.province_codes or ("",)))


def sources(grants: Grants, caller: Caller, *, on: date) -> tuple[str, ...] | None:
    """The sources whose findings the caller may read, ascending; None for operators and where all are believed."""
    if _role(caller) in {None, Role.OPERATOR}:
        return None
    own = (grant for grant in grants.sources.values() if caller.uri in grant.identity_uris and grant.holds(on))
    return tuple(sorted(grant.source_id for grant in own))


def consumer(grants: Grants, caller: Caller, consumer_id: str, *, on: date) -> GrantedConsumer:
    """The registry that the caller speaks for, with the grants that hold on a day of Việt Nam.

    Raises RejectedCallError NOT_ENTITLED; CONSUMER_UNKNOWN only where no certificate is asked for.
    """
    held = {grant.kind: grant for grant in grants.consumers.get(consumer_id, ()) if grant.holds(on)}
    own = {kind: grant for kind, grant in held.items() if caller.uri is None or grant.identity_uri == caller.uri}
    if not own and caller.uri is None:
        raise RejectedCallError(
            Reason.CONSUMER_UNKNOWN, "No such registry, or it has no grant.", field_path="consumer_id"
        )
    if not own:
        raise not_entitled()
    return GrantedConsumer(consumer_id=consumer_id, grants=own)


def steward(grants: Grants, caller: Caller, name: str, *, on: date) -> Steward:
    """The steward that the caller speaks for, as their grant holds on a day of Việt Nam.

    Raises RejectedCallError NOT_ENTITLED, whether there is such a steward or not.
    """
    grant = grants.stewards.get(name)
    may_speak = grant is not None and (caller.uri is None or caller.uri in grant.identity_uris)
    if grant is None or not may_speak or not grant.holds(on):
        raise not_entitled()
    return Steward(
        name=grant.steward,
        province_codes=grant.province_codes,
        kinds=grant.kinds,
        may_approve=grant.may_approve,
    )


def not_entitled() -> RejectedCallError:
    """The one answer to all that is not the caller's, whether it exists or not."""
    metrics.CALLS_NOT_ENTITLED.add()
    return RejectedCallError(Reason.NOT_ENTITLED, VERDICTS[Reason.NOT_ENTITLED].en)


def note_outside(source_id: str, records: int, *, sequence: int) -> None:
    """Tell operators that a source sent records about people of another province; the store keeps the event."""
    metrics.RECORDS_NOT_ENTITLED.add(records, source_id=source_id)
    log.warning("records_not_entitled", source_id=source_id, sequence=sequence, records=records)


class KnownGrants:
    """The grants that stand, read again once they are older than the interval: a change needs no restart."""

    def __init__(
        self, read: Callable[[], Awaitable[Grants]], *, clock: Callable[[], datetime], interval_seconds: float
    ) -> None:
        self._read = read
        self._clock = clock
        self._interval = timedelta(seconds=interval_seconds)
        self._known: tuple[datetime, Grants] | None = None
        self._reading = asyncio.Lock()

    async def standing(self) -> Grants:
        """What stands, at most the interval ago. Raises RetryableStoreError when it has to be read and cannot be."""
        if (fresh := self._fresh(self._clock())) is not None:
            return fresh
        async with self._reading:
            now = self._clock()
            if (fresh := self._fresh(now)) is None:
                fresh = await self._read()
                self._known = now, fresh
            return fresh

    def _fresh(self, now: datetime) -> Grants | None:
        # A clock that went back tells no age.
        is_fresh = self._known is not None and timedelta(0) <= now - self._known[0] < self._interval
        return self._known[1] if self._known and is_fresh else None


def _source_unknown(source_id: str) -> RejectedCallError:
    shown = source_id if len(source_id) <= 80 and source_id.isprintable() else ""
    return RejectedCallError(
        Reason.SOURCE_UNKNOWN,
        "No province's page declares that source.",
        field_path="hello.source_id",
        facts={"source_id": shown} if shown else {},
    )
