"""Single updates of made-up people, as small as the test needs."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from uuid import UUID, uuid5

import sqlalchemy as sa

from adapters import catalogue
from gateway.v1 import records_pb2
from gateway.wire import online as wire
from tests.gateway.batches import EXPORTED_ON, TYPED_SOURCE

_REQUESTS = UUID("0d9a2f4e-7c1b-4e5a-9f30-6b2d8c4a1e77")


def request(name: object) -> UUID:
    """A request id by a name of the test's own."""
    return uuid5(_REQUESTS, str(name))


def person(key: str, *, version: int = 0, **fields: object) -> bytes:
    """An encoded person; `version` counts the minutes of `updated_at`."""
    whole: dict[str, object] = {
        "source_record_id": key,
        "updated_at": f"2025-07-10T08:{version:02d}:00",
        "full_name": "Giàng A Páo",
        "birth_date": "1980",
        "sex": records_pb2.SEX_MALE,
        "unit_code": "02647",
    }
    return records_pb2.PersonRecord(**(whole | fields)).SerializeToString()  # type: ignore[arg-type]


def update(
    name: object,
    record: bytes,
    *,
    source_id: str = TYPED_SOURCE,
    exported_on: date = EXPORTED_ON,
    is_rehearsal: bool = False,
) -> wire.Update:
    """The update of a request, as the service reads it."""
    return wire.Update(
        source=catalogue.load().sources[source_id],
        about=(catalogue.load().sources[source_id].province_code,),
        request_id=request(name),
        record=record,
        sha256=hashlib.sha256(record).digest(),
        exported_on=exported_on,
        is_rehearsal=is_rehearsal,
        traceparent=None,
    )


@contextmanager
def turn_taken(engine: sa.Engine, source_id: str = TYPED_SOURCE) -> Iterator[None]:
    """While the context lasts nobody else can land for the source."""
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:source, 0))"), {"source": source_id})
        yield
