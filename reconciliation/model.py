"""The values the registry speaks in. Frozen; no behaviour beyond what keeps them consistent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

import pyarrow as pa

from adapters.canonical import RecordKind

G = TypeVar("G")  # a sort of grant


class BatchFormat(StrEnum):
    """How a batch's bytes are to be read."""

    SOURCE_FILE = "source_file"  # a file as the source's own system exports it
    ARROW_IPC = "arrow_ipc"  # an Arrow stream of the source's own columns, all strings
    TYPED_RECORDS = "typed_records"  # gateway.v1.TypedRecords, encoded


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One file of one source. (`source_id`, `epoch`, `sequence`) is its idempotency key."""

    source_id: str
    epoch: str  # the life of the sender's spool; a new spool is a new epoch
    sequence: int  # from 1, without gaps, never renumbered
    format: BatchFormat
    sha256: bytes
    exported_on: date
    payload: bytes = field(repr=False)
    traceparent: str | None = None
    signature: str | None = field(default=None, repr=False)  # as it was sent: Batch.signature of the wire
    signed_by: str | None = None  # the identity that the signature was found to be of


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The durable answer to a batch: these figures are committed and never change.

    `received` = `accepted` + `superseded` + `quarantined`.
    """

    receipt_id: UUID
    source_id: str
    epoch: str
    sequence: int
    sha256: bytes
    received: int
    accepted: int
    superseded: int
    quarantined: int
    findings: int  # how many findings can be listed for this receipt
    landed_at: datetime
    replayed: bool = False  # True when the batch had landed before and this is its stored receipt


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to say about one row of a landed batch. `seen` is masked."""

    row: int  # position in the batch, from 0; -1 is the whole batch
    column: str | None
    code: str  # a key of adapters.findings.CATALOGUE
    severity: str
    seen: str | None
    source_record_id: str | None


class SubmissionVerdict(StrEnum):
    """What became of one record of an online system."""

    ACCEPTED = "accepted"  # taken as the newest version
    SUPERSEDED = "superseded"  # kept, but not newer than what was already held
    QUARANTINED = "quarantined"  # kept aside, with findings that say why


@dataclass(frozen=True, kw_only=True)
class SubmissionAnswer:
    """The durable answer to one record; `receipt_id` and `landed_at` are None when it was only validated."""

    receipt_id: UUID | None
    row: int
    verdict: SubmissionVerdict
    findings: tuple[Finding, ...]  # of its row
    landed_at: datetime | None
    replayed: bool = False  # True when the request had been committed before and this is its stored answer


class State(StrEnum):
    """Where an accepted update can be. lifecycle.py has the moves, owners and deadlines."""

    AWAITING_PREDECESSOR = "awaiting_predecessor"
    AWAITING_SIGNATURE = "awaiting_signature"
    AWAITING_RECONCILIATION = "awaiting_reconciliation"
    AWAITING_UNIT = "awaiting_unit"
    AWAITING_MATCH = "awaiting_match"
    AWAITING_STEWARD = "awaiting_steward"
    AWAITING_PULL = "awaiting_pull"
    AWAITING_OUTCOME = "awaiting_outcome"
    APPLIED = "applied"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One change of state, as it was appended."""

    moved_at: datetime
    from_state: State | None
    to_state: State
    cause: str


@dataclass(frozen=True, kw_only=True)
class UpdateStatus:
    """The truth about one update. A terminal state has neither owner nor deadline; every other has both."""

    record_id: int
    source_id: str
    source_record_id: str
    source_version: int
    receipt_id: UUID
    state: State
    cause: str
    since: datetime
    owner: str | None
    deadline: datetime | None
    is_stuck: bool
    history: tuple[Move, ...]
    raised_to: str | None = None  # who above the owner has been told, once it is late


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Whose updates somebody may ask about. What was read under one sight is never shown under another.

    `areas` are a kind and today's province; the province "" stands for the whole country.
    """

    source_ids: tuple[str, ...] = ()
    areas: tuple[tuple[RecordKind, str], ...] = ()
    is_all: bool = False

    @property
    def is_bound(self) -> bool:
        """Whether it is of some sources and nobody else."""
        return not (self.is_all or self.areas)


EVERYTHING = Sight(is_all=True)


@dataclass(frozen=True, kw_only=True)
class UpdateAsked:
    """A question where an update is: by a row of a receipt, or by a source and the source's own key."""

    sight: Sight
    receipt_id: UUID | None = None
    row: int = 0
    source_id: str = ""
    source_record_id: str = ""


@dataclass(frozen=True, kw_only=True)
class MovePlace:
    """How far somebody has followed moves: those of transactions before `lower`, and of those before `upper` the
    moves up to the id `after`. `epoch` is the feed's: in another one the numbers mean nothing.
    """

    epoch: int
    lower: int
    upper: int
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One move of one update, as who follows it is told."""

    move_id: int
    xid: int
    record_id: int
    source_id: str
    receipt_id: UUID
    row: int
    move: Move


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the feed: everything up to and including `sequence` has been seen."""

    epoch: int
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Following:
    """How far one registry is: `behind` changes are not acknowledged, the first of them published at `waiting_since`.

    `is_expired` when some of them are no longer kept, or when it has acknowledged nothing in this epoch: only a
    snapshot helps then. Of an earlier epoch nothing counts as acknowledged.
    """

    consumer_id: str
    acknowledged: int
    behind: int
    waiting_since: datetime | None
    earliest: int
    is_expired: bool


@dataclass(frozen=True, kw_only=True)
class FeedPage:
    """The changes of (after, upto], one Arrow table a kind, each ordered by feed_seq, only the granted fields.

    Every table begins with feed_seq int64, subject_id string, cause string, replaced_by string?, traceparent string?;
    then the consumer's fields and, for each, `previous_<field>`.
    """

    tables: dict[RecordKind, pa.Table]
    upto: Cursor
    head: int  # the last feed_seq published so far; upto.sequence == head means the consumer is current
    changes: int


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one registry may see of one kind, why, and by which law."""

    consumer_id: str
    name: str
    kind: RecordKind
    fields: tuple[str, ...]
    of_record: bool
    purpose: str
    legal_reference: str
    identity_uri: str | None = None  # who may speak for it; None: nobody who shows a certificate
    province_codes: tuple[str, ...] = ()  # current ones; none: the whole country
    granted_from: date | None = None
    granted_until: date | None = None  # the last day

    def holds(self, on: date) -> bool:
        """Whether it is a grant on that day."""
        return (self.granted_from is None or self.granted_from <= on) and (
            self.granted_until is None or on <= self.granted_until
        )


@dataclass(frozen=True, kw_only=True)
class Granted:
    """Why somebody may do something, by which law, and from when; `granted_until` is the last day, None is no end."""

    purpose: str
    legal_reference: str
    granted_from: date
    granted_until: date | None = None

    def holds(self, on: date) -> bool:
        """Whether it is a grant on that day."""
        return self.granted_from <= on and (self.granted_until is None or on <= self.granted_until)


@dataclass(frozen=True, kw_only=True)
class SourceGrant(Granted):
    """What one source may send: of which kind, about the people of which current provinces, and who speaks for it."""

    source_id: str
    kind: RecordKind
    province_codes: tuple[str, ...]
    identity_uris: tuple[str, ...]
    signature_required: bool


@dataclass(frozen=True, kw_only=True)
class PortalGrant(Granted):
    """Which updates a portal of citizens may ask about: of which kinds, in which provinces (none: all), and how."""

    portal_id: str
    kinds: tuple[RecordKind, ...]
    province_codes: tuple[str, ...]
    identity_uris: tuple[str, ...]
    by_record: bool


@dataclass(frozen=True, kw_only=True)
class StewardGrant(Granted):
    """On what a steward may decide: in which provinces (none: all), which kinds of case (none: all), and how shown."""

    steward: str
    identity_uris: tuple[str, ...]
    province_codes: tuple[str, ...]
    kinds: tuple["CaseKind", ...]
    may_approve: bool


@dataclass(frozen=True, kw_only=True)
class GrantEntry(Generic[G]):
    """One line of somebody's history of grants: who granted or revoked what, and when."""

    entry_id: int
    grant: G
    is_revoked: bool
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, kw_only=True)
class Grants:
    """Every grant that stands, by whom it is for; those of days to come or gone are among them."""

    sources: Mapping[str, SourceGrant]
    consumers: Mapping[str, tuple[Grant, ...]]
    portals: Mapping[str, PortalGrant] = field(default_factory=dict)
    stewards: Mapping[str, StewardGrant] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SecurityEvent:
    """Something that somebody tried without a grant."""

    event_id: int
    occurred_at: datetime
    kind: str
    source_id: str
    receipt_id: UUID
    records: int


class OutcomeKind(StrEnum):
    """What a registry did with a change."""

    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A registry's report on one change. `reason` is required for a refusal: a short code, no personal data."""

    feed_seq: int
    kind: OutcomeKind
    reason: str | None = None


class SignatureOutcome(StrEnum):
    """What became of an officer's signature."""

    RELEASED = "released"  # the update goes on
    REPEATED = "repeated"  # it has been signed before
    NOT_WAITING = "not_waiting"  # no such update waits for one
    INVALID = "invalid"  # it does not hold, or the update that waits says another day


class CaseKind(StrEnum):
    """What no rule may decide."""

    AMBIGUOUS_UNIT = "ambiguous_unit"
    UNKNOWN_UNIT = "unknown_unit"
    DOUBTFUL_MATCH = "doubtful_match"
    TWO_UNITS_ONE_PERSON = "two_units_one_person"
    ONE_NUMBER_TWO_PEOPLE = "one_number_two_people"
    BOOK_AGAINST_REGISTER = "book_against_register"
    TWO_INSURANCE_BOOKS = "two_insurance_books"
    OVERLAPPING_PERIODS = "overlapping_periods"
    CIRCULAR_RELATIONS = "circular_relations"
    DEATH_THEN_UPDATE = "death_then_update"
    TWO_PROVINCES_ONE_PERSON = "two_provinces_one_person"
    HOUSEHOLD_CLASH = "household_clash"
    REFUSED_BY_REGISTRY = "refused_by_registry"
    MISSING_VERSION = "missing_version"
    DUPLICATE_HAMLET = "duplicate_hamlet"
    UNSIGNED_EVENT = "unsigned_event"
    CITIZEN_CORRECTION = "citizen_correction"
    POISONED = "poisoned"


class TouchKind(StrEnum):
    """What somebody does with a case besides deciding it."""

    CLAIMED = "claimed"
    RELEASED = "released"
    SKIPPED = "skipped"
    ASKED = "asked"  # the province has the word
    ANSWERED = "answered"


class Decision(StrEnum):
    """What a steward can say of a case. Which of them a kind of case takes is in review.DECISIONS."""

    UNIT = "unit"  # the record belongs to the named unit
    SAME = "same"  # the two records are one person
    NOT_SAME = "not_same"
    KEEP = "keep"  # what stands is right; the case is closed
    WITHDRAW = "withdraw"  # the update is wrong and is not to be published
    SEND_AGAIN = "send_again"  # publish the refused change once more


class SeenOf(StrEnum):
    """What an earlier judgement and a case have in common."""

    QUESTION = "question"  # it is on the very same question, and no longer in force
    RECORDS = "records"  # it is on another question about the same records
    CAUSE = "cause"  # it is on another case that the same reason made


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What somebody decided before on a case like this one, and what became of that.

    `unit_code` is that of Decision.UNIT. `is_obsolete` says that its own question is raised no longer.
    """

    of: SeenOf
    case_id: int
    kind: CaseKind
    judgement_id: int
    decision: "Decision"
    unit_code: str | None
    steward: str
    judged_at: datetime
    reason_code: str
    reversed_by: str | None = None
    reversed_at: datetime | None = None
    is_obsolete: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question for a steward. `fingerprint` is the same in every run for the same question."""

    case_id: int
    fingerprint: str
    kind: CaseKind
    province_code: str
    owner: str
    opened_at: datetime
    deadline: datetime
    record_keys: tuple[str, ...]  # "source_id|source_record_id" of the records it is about
    evidence: dict[str, object]
    resolved_by: int | None  # the judgement in force, None while open
    proposed_by: int | None = None  # a judgement that waits for its second person
    raised_to: str | None = None  # who above the owner has been told, once it is late
    seen_before: tuple[Seen, ...] = ()  # the newest first; only where somebody is to decide the case

    @property
    def crosses_former_borders(self) -> bool:
        """Whether its records are of sources of several former provinces, which are what sources are named by."""
        return len({key.partition(".")[0] for key in self.record_keys}) > 1


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a steward decided. Appended, never changed; reversed only by another judgement.

    One that `needs_approval` is a proposal, and in force from when a second person has approved it.
    """

    judgement_id: int
    fingerprint: str
    decision: Decision
    value: str | None  # the unit code of a Decision.UNIT
    reason: str
    steward: str
    judged_at: datetime
    reverses: int | None
    needs_approval: bool = False
    approved_by: str | None = None
    reason_code: str = "other"  # of reconciliation/reasons.py
    undo_until: datetime | None = None  # it can be undone and is not in force; None once that is over
    case_version: str | None = None  # which versions of the records were decided on
    merged_fields: Mapping[str, str] | None = None  # of a merge: the record key that each field is from
