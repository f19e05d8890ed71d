"""Balances as a gateway signs them and as they travel: a file with the bytes that were signed and the signature."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial

from gateway import workers
from gateway.errors import GatewayError
from gateway.signing import Signer, sign_balance
from observability.logs import get_logger
from reconciliation.errors import RetryableStoreError
from reconciliation.statement import Statement, from_bytes
from reconciliation.store import conservation_kept
from reconciliation.store.engine import Engine

log = get_logger(__name__)


async def run_signing(
    pools: workers.Workers,
    signer: Signer | None,
    clock: Callable[[], datetime],
    *,
    interval_seconds: float,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Sign what was balanced and not yet signed, every `interval_seconds` until cancelled; nothing without a key."""
    while signer is not None:
        with suppress(RetryableStoreError):  # the sequencer tells of it, and health shows it
            if signed := await pools.store(sign_waiting, signer, now=clock()):
                log.info("balances_signed", count=signed)
        await pause(interval_seconds)


def sign_waiting(engine: Engine, signer: Signer, *, now: datetime) -> int:
    """Sign the balances that are not signed yet; return how many."""
    return conservation_kept.sign_unsigned(engine, partial(sign_balance, signer, now=now))


def to_file(content: bytes, signature: str | None) -> bytes:
    """A balance as it is handed over: JSON of its bytes, as text, and of the signature under them."""
    return json.dumps({"content": content.decode(), "signature": signature or ""}, ensure_ascii=False).encode()


def from_file(written: bytes) -> tuple[bytes, Statement, str]:
    """The bytes of a balance, what they say, and the signature; "" where it has none. Raises GatewayError."""
    try:
        said = json.loads(written)
        content, signature = said["content"].encode(), said["signature"]
        if not isinstance(signature, str):
            raise TypeError("the signature is no text")
        return content, from_bytes(content), signature
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise GatewayError("The file holds no balance. Next: ask for it again: `lienthong balance show`.") from error
