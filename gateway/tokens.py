"""Opaque places: a few numbers, signed and bound to whom and what they were given for, as URL-safe text.

Who holds one can neither read a meaning into it nor make another; a token of one consumer is none of another's.
"""

import base64
import binascii
import hmac
import struct
from enum import StrEnum

_SIGNATURE_BYTES = 16  # of HMAC-SHA256: 128 bits, more than anyone can try
_PLACE = struct.Struct(">B2q")  # version, two numbers
_VERSION = 1


class Purpose(StrEnum):
    """What a token is good for."""

    FEED_CURSOR = "feed cursor"
    FINDINGS_PAGE = "findings page"


def seal(numbers: tuple[int, int], *, secret: bytes, purpose: Purpose, bound_to: str) -> str:
    """The token of two numbers, good for `purpose` and for `bound_to` (a consumer, a receipt) only."""
    place = _PLACE.pack(_VERSION, *numbers)
    return base64.urlsafe_b64encode(place + _signature(place, secret, purpose, bound_to)).rstrip(b"=").decode("ascii")


def open_token(token: str, *, secret: bytes, purpose: Purpose, bound_to: str) -> tuple[int, int] | None:
    """The numbers of a token we sealed for the same purpose and holder; None for anything else."""
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    place, signature = sealed[: _PLACE.size], sealed[_PLACE.size :]
    if len(place) != _PLACE.size or not hmac.compare_digest(signature, _signature(place, secret, purpose, bound_to)):
        return None
    version, first, second = _PLACE.unpack(place)
    return (first, second) if version == _VERSION else None


def _signature(place: bytes, secret: bytes, purpose: Purpose, bound_to: str) -> bytes:
    message = b"\x00".join((purpose.encode(), bound_to.encode(), place))
    return hmac.digest(secret, message, "sha256")[:_SIGNATURE_BYTES]
