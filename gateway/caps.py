"""How much of anything the gateway takes at once. These are part of the contract: a client may rely on them."""

MAX_RECORDS = 10_000  # in a batch
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024  # of a batch
ENVELOPE_BYTES = 64 * 1024  # around a payload; a message beyond payload and envelope is cut off by gRPC itself
MAX_RECORD_BYTES = 64 * 1024  # of a record that comes alone
MAX_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + ENVELOPE_BYTES

RECEIPT_FINDINGS = 100  # findings told with a receipt; the rest are listed
FINDINGS_PAGE = 100
MAX_FINDINGS_PAGE = 1_000
FEED_PAGE = 2_000
MAX_FEED_PAGE = 10_000
MAX_OUTCOMES = 10_000  # in one report
MAX_SIGNATURES = 1_000  # officers', in one call
MAX_UNIT_QUERIES = 10_000  # in one question


def page_size(asked: int, *, default: int, most: int) -> int:
    """The page size to use: `default` when none is asked for, never more than `most`."""
    return min(asked, most) if asked > 0 else default
