"""UnitsService: what a unit code means today, and by which law."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.compute as pc

from adapters.reference import units
from adapters.reference.resolve import resolve
from gateway import caps
from gateway.errors import Reason, RejectedCallError
from gateway.v1 import units_pb2, units_pb2_grpc
from gateway.wire import units as wire
from gateway.wire.values import invalid, read_date
from gateway.workers import Workers
from reconciliation.lifecycle import VIETNAM

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class UnitsService(units_pb2_grpc.UnitsServiceServicer):
    """Answers from the reference tables; needs no database."""

    workers: Workers
    clock: Callable[[], datetime]

    async def Resolve(self, request: units_pb2.ResolveRequest, context: Context) -> units_pb2.ResolveResponse:  # noqa: N802, ARG002
        """The answers to a list of questions, in its order."""
        if len(request.queries) > caps.MAX_UNIT_QUERIES:
            raise invalid("queries", f"has to hold at most {caps.MAX_UNIT_QUERIES}")
        within = request.within_province_code
        if within and not (len(within) == 2 and within.isascii() and within.isdigit()):
            raise invalid("within_province_code", "has to be 2 digits")
        as_of = read_date(request.as_of, field_path="as_of") if request.HasField("as_of") else self._today()
        codes, vintages, event_dates = wire.read_queries(request.queries)
        resolved = await self.workers.columns(resolve, codes, vintages, event_dates, as_of=as_of, within=within or None)
        return wire.write_resolutions(resolved)

    async def GetUnit(self, request: units_pb2.GetUnitRequest, context: Context) -> units_pb2.GetUnitResponse:  # noqa: N802, ARG002
        """One unit of one list. Raises UNIT_UNKNOWN."""
        vintage = read_date(request.vintage, field_path="vintage") if request.HasField("vintage") else None
        return await self.workers.columns(_unit, request.code, on=vintage or self._today())

    def _today(self) -> date:
        return self.clock().astimezone(VIETNAM).date()


def _unit(code: str, *, on: date) -> units_pb2.GetUnitResponse:
    found = units.unit(code, on)
    if found is None or found.level != "commune":
        shown = code if len(code) <= 5 and code.isprintable() else ""
        raise RejectedCallError(
            Reason.UNIT_UNKNOWN,
            f"No commune-level unit had that code on {on}.",
            field_path="code",
            facts={"code": shown},
        )
    vintage = max((begun for begun in units.vintages() if begun <= on), default=units.vintages()[0])
    province = units.unit(found.province_code, on)
    return wire.write_unit(
        found, province_name=province.name if province else "", vintage=vintage, relations=_relations(code, on=vintage)
    )


def _relations(code: str, *, on: date) -> pa.Table:
    """What the unit of the list of `on` was made from, or, when that list was replaced, what it became."""
    pairs = units.lineage()
    made_from = pairs.filter(pc.and_(pc.equal(pairs["to_code"], code), pc.equal(pairs["effective_on"], pa.scalar(on))))
    if made_from.num_rows:
        return made_from.rename_columns({"from_code": "code", "from_name": "name"})
    became = pairs.filter(pc.and_(pc.equal(pairs["from_code"], code), pc.greater(pairs["effective_on"], pa.scalar(on))))
    return became.rename_columns({"to_code": "code", "to_name": "name"})
