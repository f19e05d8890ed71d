"""Who may speak for whom: the one place that decides.

Until callers prove who they are by certificate, a call names its own source or consumer and is believed; that is why
the gateway listens on loopback only. What a certificate says will be compared here, and nowhere else.
"""

from adapters.catalogue import Catalogue, Source
from gateway.errors import Reason, RejectedCallError


def source(catalogue: Catalogue, source_id: str) -> Source:
    """The source that the caller speaks for. Raises RejectedCallError SOURCE_UNKNOWN."""
    known = catalogue.sources.get(source_id)
    if known is None:
        shown = source_id if len(source_id) <= 80 and source_id.isprintable() else ""
        raise RejectedCallError(
            Reason.SOURCE_UNKNOWN,
            "No province's page declares that source.",
            field_path="hello.source_id",
            facts={"source_id": shown} if shown else {},
        )
    return known


def consumer(consumer_id: str) -> str:
    """The registry that the caller speaks for; whether it has a grant is the store's to say.

    Raises RejectedCallError CONSUMER_UNKNOWN for what cannot be one.
    """
    if not 0 < len(consumer_id) <= 80 or not consumer_id.isprintable():
        raise RejectedCallError(Reason.CONSUMER_UNKNOWN, "No registry can have that name.", field_path="consumer_id")
    return consumer_id
