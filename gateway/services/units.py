"""UnitsService: what a unit code means today, and by which law."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference import units
from adapters.reference.resolve import resolve
from adapters.reference.units import UnitTables
from gateway import caps
from gateway.errors import Reason, RejectedCallError
from gateway.v1 import units_pb2, units_pb2_grpc
from gateway.wire import units as wire
from gateway.wire.values import invalid, read_date
from gateway.workers import Workers
from reconciliation.errors import RetryableStoreError
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import hamlets, unit_events

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class UnitsService(units_pb2_grpc.UnitsServiceServicer):
    """Answers from the unit tables with the changes that are loaded.

    While the database is away it goes on with the tables it `knew` last: they change a few times a year. What only
    the database can tell, what was known on another day and where a hamlet lies, has to wait.
    """

    workers: Workers
    clock: Callable[[], datetime]
    knew: UnitTables

    async def Resolve(self, request: units_pb2.ResolveRequest, context: Context) -> units_pb2.ResolveResponse:  # noqa: N802, ARG002
        """The answers to a list of questions, in its order."""
        if len(request.queries) > caps.MAX_UNIT_QUERIES:
            raise invalid("queries", f"has to hold at most {caps.MAX_UNIT_QUERIES}")
        within = request.within_province_code
        if within and not (len(within) == 2 and within.isascii() and within.isdigit()):
            raise invalid("within_province_code", "has to be 2 digits")
        as_of = read_date(request.as_of, field_path="as_of") if request.HasField("as_of") else self._today()
        asked = wire.read_queries(request.queries)
        known_at = _known_at(request)
        tables = await self._known(known_at)
        register = None
        if within and asked.hamlets.null_count < len(asked.hamlets):
            register = await self.workers.store(hamlets.register_known, within, at=known_at)
        resolved = await self.workers.columns(
            resolve,
            asked.codes,
            asked.vintages,
            asked.event_dates,
            as_of=as_of,
            within=within or None,
            names=asked.names,
            hamlets=asked.hamlets,
            register=register,
            tables=tables,
        )
        return wire.write_resolutions(resolved)

    async def GetUnit(self, request: units_pb2.GetUnitRequest, context: Context) -> units_pb2.GetUnitResponse:  # noqa: N802, ARG002
        """One unit of one list. Raises UNIT_UNKNOWN."""
        vintage = read_date(request.vintage, field_path="vintage") if request.HasField("vintage") else None
        tables = await self._known(_known_at(request))
        return await self.workers.columns(_unit, request.code, on=vintage or self._today(), tables=tables)

    async def _known(self, at: datetime | None) -> UnitTables:
        if at is not None:
            return await self.workers.store(unit_events.tables_known, at=at)
        with contextlib.suppress(RetryableStoreError):
            self.knew = await self.workers.store(unit_events.tables_known)
        return self.knew

    def _today(self) -> date:
        return self.clock().astimezone(VIETNAM).date()


def _known_at(request: units_pb2.ResolveRequest | units_pb2.GetUnitRequest) -> datetime | None:
    """The end, in Việt Nam, of the day whose knowledge is asked for; None for what is known now."""
    if not request.HasField("known_on"):
        return None
    day = read_date(request.known_on, field_path="known_on")
    if day == date.max:
        raise invalid("known_on", "has to be before the end of the calendar")
    return datetime.combine(day + timedelta(days=1), time(), VIETNAM) - timedelta(microseconds=1)


def _unit(code: str, *, on: date, tables: UnitTables) -> units_pb2.GetUnitResponse:
    found = units.unit(code, on, tables=tables)
    if found is None or found.level != "commune":
        shown = code if len(code) <= 5 and code.isprintable() else ""
        raise RejectedCallError(
            Reason.UNIT_UNKNOWN,
            f"No commune-level unit had that code on {on}.",
            field_path="code",
            facts={"code": shown},
        )
    lists = units.vintages(tables)
    vintage = max((begun for begun in lists if begun <= on), default=lists[0])
    province = units.unit(found.province_code, on, tables=tables)
    return wire.write_unit(
        found,
        province_name=province.name if province else "",
        vintage=vintage,
        relations=_relations(code, on=vintage, tables=tables),
    )


def _relations(code: str, *, on: date, tables: UnitTables) -> pa.Table:
    """What the unit was made from in the newest change until `on` that names it, or else what it became after."""
    pairs = units.lineage(tables)
    made_from = pairs.filter(
        pc.and_(pc.equal(pairs["to_code"], code), pc.less_equal(pairs["effective_on"], pa.scalar(on)))
    )
    if made_from.num_rows:
        newest = pc.equal(made_from["effective_on"], pc.max(made_from["effective_on"]))
        return made_from.filter(newest).rename_columns({"from_code": "code", "from_name": "name"})
    became = pairs.filter(pc.and_(pc.equal(pairs["from_code"], code), pc.greater(pairs["effective_on"], pa.scalar(on))))
    if became.num_rows:
        became = became.filter(pc.equal(became["effective_on"], pc.min(became["effective_on"])))
    return became.rename_columns({"to_code": "code", "to_name": "name"})
