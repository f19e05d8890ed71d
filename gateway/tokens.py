"""Opaque places: a few numbers, signed and bound to whom and what they were given for, as URL-safe text.

Who holds one can neither read a meaning into it nor make another; a token of one consumer is none of another's.
"""

import base64
import binascii
import hmac
import struct
from enum import StrEnum
from functools import cache

_SIGNATURE_BYTES = 16  # of HMAC-SHA256: 128 bits, more than anyone can try
_VERSION = 1


class Purpose(StrEnum):
    """What a token is good for."""

    FEED_CURSOR = "feed cursor"
    FINDINGS_PAGE = "findings page"
    WATCH_PLACE = "watch place"


def seal(numbers: tuple[int, ...], *, secret: bytes, purpose: Purpose, bound_to: str) -> str:
    """The token of some numbers, good for `purpose` and for `bound_to` (a consumer, a receipt) only."""
    place = _place(len(numbers)).pack(_VERSION, *numbers)
    return base64.urlsafe_b64encode(place + _signature(place, secret, purpose, bound_to)).rstrip(b"=").decode("ascii")


def open_token(token: str, *, secret: bytes, purpose: Purpose, bound_to: str, count: int = 2) -> tuple[int, ...] | None:
    """The `count` numbers of a token we sealed for the same purpose and holder; None for anything else."""
    form = _place(count)
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    place, signature = sealed[: form.size], sealed[form.size :]
    if len(place) != form.size or not hmac.compare_digest(signature, _signature(place, secret, purpose, bound_to)):
        return None
    version, *numbers = form.unpack(place)
    return tuple(numbers) if version == _VERSION else None


@cache
def _place(count: int) -> struct.Struct:
    """A version and `count` numbers."""
    return struct.Struct(f">B{count}q")


def _signature(place: bytes, secret: bytes, purpose: Purpose, bound_to: str) -> bytes:
    message = b"\x00".join((purpose.encode(), bound_to.encode(), place))
    return hmac.digest(secret, message, "sha256")[:_SIGNATURE_BYTES]
