"""Grants as they stand and as they came about: entries are appended, and of each holder the newest stands."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from adapters.canonical import RecordKind
from reconciliation.model import CaseKind, G, GrantEntry, PortalGrant, SourceGrant, StewardGrant
from reconciliation.store.feed import GRANTS_LOCK
from reconciliation.store.tables import portal_grant, source_grant, steward_grant

_OF_ENTRIES = frozenset({"entry_id", "is_revoked", "recorded_at", "recorded_by"})


@dataclass(frozen=True, kw_only=True)
class Register(Generic[G]):
    """One sort of grant. A grant's fields are the columns of `table`; the column `holder` names whom it is for."""

    table: sa.Table
    holder: str
    grant: Callable[..., G]
    kind: Callable[[str], RecordKind | CaseKind]

    def give(self, engine: sa.Engine, grant: G, *, by: str, now: datetime) -> None:
        """Make `grant` what stands for its holder."""
        with engine.begin() as connection:
            self.lock(connection)
            self.append(connection, [grant], by=by, now=now)

    def revoke(self, engine: sa.Engine, holder: str, *, by: str, now: datetime) -> bool:
        """Take the holder's grant away; False when none stood."""
        with engine.begin() as connection:
            self.lock(connection)
            grant = self.standing(connection).get(holder)
            if grant is None:
                return False
            self.append(connection, [grant], by=by, now=now, is_revoked=True)
            return True

    def standing(self, connection: sa.Connection) -> dict[str, G]:
        """Every grant that stands now by its holder, those of days to come or gone among them."""
        return {name: entry.grant for name, entry in self.newest(connection).items() if not entry.is_revoked}

    def newest(self, connection: sa.Connection) -> dict[str, GrantEntry[G]]:
        """The last entry of every holder there ever was, by holder."""
        holder, table = self.table.c[self.holder], self.table
        query = sa.select(table).ext(pg.distinct_on(holder)).order_by(holder, table.c.entry_id.desc())
        entries = self._entries(connection.execute(query).mappings())
        return {getattr(entry.grant, self.holder): entry for entry in entries}

    def history(self, engine: sa.Engine, holder: str) -> list[GrantEntry[G]]:
        """Every entry of a holder, the oldest first."""
        table = self.table
        query = sa.select(table).where(table.c[self.holder] == holder).order_by(table.c.entry_id)
        with engine.connect() as connection:
            return list(self._entries(connection.execute(query).mappings()))

    def lock(self, connection: sa.Connection) -> None:
        """Wait until nobody else writes grants."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(GRANTS_LOCK)))

    def append(
        self, connection: sa.Connection, grants: list[G], *, by: str, now: datetime, is_revoked: bool = False
    ) -> None:
        """Write entries, by whoever holds the lock."""
        written = {"is_revoked": is_revoked, "recorded_at": now, "recorded_by": by}
        rows = [{name: _plain(getattr(grant, name)) for name in self._said} | written for grant in grants]
        if rows:
            connection.execute(self.table.insert(), rows)

    @property
    def _said(self) -> list[str]:
        return [column.name for column in self.table.c if column.name not in _OF_ENTRIES]

    def _entries(self, rows: sa.MappingResult) -> Iterator[GrantEntry[G]]:
        for row in rows:
            said = {name: self._read(name, row[name]) for name in self._said}
            yield GrantEntry(grant=self.grant(**said), **{name: row[name] for name in _OF_ENTRIES})

    def _read(self, name: str, value: Any) -> Any:
        if name in {"kind", "kinds"}:
            return tuple(map(self.kind, value)) if isinstance(value, list) else self.kind(value)
        return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return list(map(str, value)) if isinstance(value, tuple) else value


sources = Register(table=source_grant, holder="source_id", grant=SourceGrant, kind=RecordKind)
portals = Register(table=portal_grant, holder="portal_id", grant=PortalGrant, kind=RecordKind)
stewards = Register(table=steward_grant, holder="steward", grant=StewardGrant, kind=CaseKind)
