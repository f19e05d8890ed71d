"""grpc.health.v1 with all three of its methods: the library's servicer for asyncio has no List."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio


class HealthService(aio.HealthServicer):  # type: ignore[misc]  # the library is not typed
    """The states of the services, one by one (Check, Watch) and at once."""

    async def List(  # noqa: N802 - gRPC's name
        self,
        request: health_pb2.HealthListRequest,  # noqa: ARG002
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002
    ) -> health_pb2.HealthListResponse:
        """The state of every service; we have far fewer than the hundred that may be listed."""
        states = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._server_status.items()}
        return health_pb2.HealthListResponse(statuses=states)
