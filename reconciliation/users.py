"""Who may sign in to the stewards' console, and what each may do, where, and about which kind of case."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciliation.model import CaseKind


class UserRole(StrEnum):
    """What a person is to the console. A supervisor may all that a steward may; an operator sees no person's data."""

    VIEWER = "viewer"  # reads, masked
    STEWARD = "steward"  # decides and reveals
    SUPERVISOR = "supervisor"  # approves, reverses others' decisions, sees who looked at what
    OPERATOR = "operator"  # users, roles, grants


IMPLIES: dict[UserRole, frozenset[UserRole]] = {
    UserRole.VIEWER: frozenset({UserRole.VIEWER}),
    UserRole.STEWARD: frozenset({UserRole.STEWARD, UserRole.VIEWER}),
    UserRole.SUPERVISOR: frozenset({UserRole.SUPERVISOR, UserRole.STEWARD, UserRole.VIEWER}),
    UserRole.OPERATOR: frozenset({UserRole.OPERATOR}),
}


@dataclass(frozen=True, kw_only=True, order=True)
class UserGrant:
    """One role of a user's; without a province it is for the whole country, without a kind for every kind of case."""

    role: UserRole
    province_code: str = ""
    kind: CaseKind | None = None


@dataclass(frozen=True, kw_only=True)
class User:
    """A person who may sign in. `user_id` is in small letters and names them in judgements for ever."""

    user_id: str
    name: str = field(repr=False)
    language: str
    grants: tuple[UserGrant, ...] = ()
    removed_at: datetime | None = None
    issuer: str | None = None  # of the provider they sign in with; None: a password of ours

    def may(self, role: UserRole, *, province_code: str = "", kind: CaseKind | None = None) -> bool:
        """Whether they have the role; with a province or a kind: for that one, without: for any."""
        return any(
            role in IMPLIES[grant.role]
            and (not province_code or grant.province_code in {"", province_code})
            and (kind is None or grant.kind in {None, kind})
            for grant in self.grants
        )

    def provinces(self, role: UserRole) -> frozenset[str] | None:
        """The provinces in which they have the role; None is the whole country."""
        codes = frozenset(grant.province_code for grant in self.grants if role in IMPLIES[grant.role])
        return None if "" in codes else codes

    def areas(self, role: UserRole) -> tuple[tuple[str, CaseKind | None], ...]:
        """The (province, kind) pairs of the role, "" and None standing for all, in order."""
        pairs = {(grant.province_code, grant.kind) for grant in self.grants if role in IMPLIES[grant.role]}
        return tuple(sorted(pairs, key=lambda pair: (pair[0], pair[1] or "")))


@dataclass(frozen=True, kw_only=True)
class Session:
    """A person signed in. Times are the database's callers' own clock, in UTC."""

    user: User
    begun_at: datetime
    seen_at: datetime
    stepped_up_at: datetime


@dataclass(frozen=True, kw_only=True)
class UserEvent:
    """Something a user did that no judgement tells; `told` holds codes and ids."""

    event_id: int
    occurred_at: datetime
    kind: str
    user_id: str
    told: dict[str, object]
