"""Asking what a unit code means today."""

from collections.abc import Sequence
from datetime import date

import grpc

from gateway.client.channel import DEADLINE_SECONDS
from gateway.client.errors import translated
from gateway.v1 import units_pb2, units_pb2_grpc
from gateway.wire import units as wire
from gateway.wire.units import Resolution, UnitCard, UnitQuery
from gateway.wire.values import write_date


class UnitsClient:
    """Every method raises RejectedByGatewayError (UNIT_UNKNOWN …) or RetryableGatewayError."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._stub: units_pb2_grpc.UnitsServiceAsyncStub = units_pb2_grpc.UnitsServiceStub(channel)
        self._deadline_seconds = deadline_seconds

    async def resolve(
        self,
        queries: Sequence[UnitQuery],
        *,
        as_of: date | None = None,
        known_on: date | None = None,
        within_province_code: str = "",
    ) -> list[Resolution]:
        """The answers to at most 10,000 questions, in their order, for the units of `as_of` (today when None).

        `known_on` asks for what was known of units at the end of that day, now when None.
        """
        request = units_pb2.ResolveRequest(
            queries=map(wire.write_query, queries),
            as_of=write_date(as_of) if as_of else None,
            known_on=write_date(known_on) if known_on else None,
            within_province_code=within_province_code,
        )
        with translated():
            response = await self._stub.Resolve(request, timeout=self._deadline_seconds)
        return [wire.read_resolution(message) for message in response.resolutions]

    async def unit(self, code: str, *, vintage: date | None = None) -> UnitCard:
        """One unit of the list of `vintage` (today's when None) with what it was made from or what it became."""
        request = units_pb2.GetUnitRequest(code=code, vintage=write_date(vintage) if vintage else None)
        with translated():
            response = await self._stub.GetUnit(request, timeout=self._deadline_seconds)
        return wire.read_unit(response.unit)
