"""What a caller may send for a source, and what has come of it: IntakeService.DescribeSource."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from cryptography import x509

from adapters.catalogue import Catalogue
from gateway import access, identity
from gateway.access import KnownGrants
from gateway.v1 import intake_pb2
from gateway.wire.describing import write_description
from gateway.workers import Workers
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import status

Context = grpc.aio.ServicerContext[Any, Any]


async def describe(
    request: intake_pb2.DescribeSourceRequest,
    context: Context,
    *,
    catalogue: Catalogue,
    known: KnownGrants,
    workers: Workers,
    clock: Callable[[], datetime],
) -> intake_pb2.DescribeSourceResponse:
    """The grant of the named source. Raises RejectedCallError NOT_ENTITLED, or SOURCE_UNKNOWN without certificates."""
    caller, now = identity.caller(context), clock()
    granted = access.source(
        catalogue, await known.standing(), caller, request.source_id, on=now.astimezone(VIETNAM).date()
    )
    return write_description(
        granted,
        caller_identity=caller.uri or "",
        certificate_expires_at=certificate_expiry(context),
        last_landed_at=await workers.store(status.last_landed_at, source_id=granted.source.source_id),
        now=now,
    )


def certificate_expiry(context: Context) -> datetime | None:
    """Until when the certificate of the connection is valid, in UTC; None where it shows none."""
    shown = context.auth_context().get("x509_pem_cert", ())
    certificate = next(iter(shown), None)
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc if certificate else None
