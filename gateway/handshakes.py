"""Why connections ended before their first call: read from what gRPC writes, counted, and said in our own log.

gRPC tells nobody why a handshake failed; it only writes a line to the error stream of the process, and the caller
learns "Socket closed". So that stream is read here: those lines become counts and events, all others are passed on.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from gateway.refusals import Refusals
from observability import metrics

_HANDSHAKE = re.compile(rb"ssl_transport_security\.cc:\d+\] Handshake failed with error .*?OPENSSL_internal:(.*)")
_REASONS = (
    (b"certificate has expired", "CERTIFICATE_EXPIRED"),
    (b"certificate is not yet valid", "CERTIFICATE_NOT_YET_VALID"),
    (b"unable to get local issuer certificate", "AUTHORITY_UNKNOWN"),
    (b"self signed certificate", "AUTHORITY_UNKNOWN"),
    (b"self-signed certificate", "AUTHORITY_UNKNOWN"),
    (b"certificate signature failure", "AUTHORITY_UNKNOWN"),
    (b"unsupported certificate purpose", "PURPOSE_INVALID"),
    (b"PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_MISSING"),
    (b"ALERT", "REFUSED_BY_CALLER"),
    (b"HTTP_REQUEST", "NOT_TLS"),
    (b"WRONG_VERSION_NUMBER", "NOT_TLS"),
    (b"UNSUPPORTED_PROTOCOL", "VERSION_TOO_OLD"),
)
OTHER = "OTHER"
_JOIN_SECONDS = 1.0  # a child that outlives us may hold the stream open


def reason_in(line: bytes) -> str | None:
    """Why a handshake failed, as a code; None for a line about anything else."""
    told = _HANDSHAKE.search(line)
    if told is None:
        return None
    return next((reason for words, reason in _REASONS if words in told[1]), OTHER)


@contextmanager
def noted() -> Iterator[None]:
    """Read the process's error stream while the context lasts. What Python itself writes goes the direct way."""
    sys.stderr.flush()
    direct, (reading, writing) = os.dup(2), os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    before = sys.stderr
    sys.stderr = os.fdopen(direct, "w", buffering=1, encoding=before.encoding, errors="backslashreplace", closefd=False)
    reader = Thread(target=_read, args=(reading, direct), name="handshakes", daemon=True)
    reader.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(direct, 2)  # the last end for writing: the reader comes to its end
        reader.join(_JOIN_SECONDS)
        if not reader.is_alive():
            os.close(direct)


def _read(reading: int, direct: int) -> None:
    refusals = Refusals("handshake_refused", metrics.HANDSHAKES_REFUSED)
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            if reason := reason_in(line):
                refusals.note(reason)
            else:
                os.write(direct, line)
