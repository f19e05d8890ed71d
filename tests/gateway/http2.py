"""A client of HTTP/2 that says only what it is told to: for what a well-behaved one would never do."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACKNOWLEDGED = 1
NO_ERROR, ENHANCE_YOUR_CALM = 0, 11


@dataclass(frozen=True)
class Frame:
    """One frame as it came."""

    kind: int
    flags: int
    payload: bytes

    @property
    def error_code(self) -> int:
        """Why the other end goes away."""
        return int(struct.unpack(">I", self.payload[4:8])[0])

    @property
    def debug_text(self) -> bytes:
        """What it says of it."""
        return self.payload[8:]


@dataclass
class Wire:
    """An open connection. Reads raise TimeoutError after `patience` seconds without a byte."""

    connection: socket.socket

    def send(self, kind: int, payload: bytes = b"", flags: int = 0) -> None:
        """Send one frame on the connection as a whole."""
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", 0)
        self.connection.sendall(head + payload)

    def frames(self) -> Iterator[Frame]:
        """What comes, until the other end closes. Its pings and settings are acknowledged."""
        while head := self._exactly(9):
            payload = self._exactly(int.from_bytes(head[:3], "big"))
            frame = Frame(head[3], head[4], payload)
            if frame.kind in {SETTINGS, PING} and not frame.flags & ACKNOWLEDGED:
                self.send(frame.kind, payload if frame.kind == PING else b"", ACKNOWLEDGED)
            yield frame

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            if not part:
                return b""
            data += part
        return data


@contextmanager
def connected(address: str, *, patience: float = 20.0) -> Iterator[Wire]:
    """A connection to host:port after its opening words."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=patience) as connection:
        wire = Wire(connection)
        connection.sendall(PREFACE)
        wire.send(SETTINGS)
        yield wire


def ping(wire: Wire, *, times: int, every: float) -> Frame | None:
    """Ping so often, each time so many seconds after the answer to the last; the GOAWAY, if that is what comes."""
    coming = wire.frames()
    for number in range(times):
        wire.send(PING, struct.pack(">Q", number))
        for frame in coming:
            if frame.kind == GOAWAY:
                return frame
            if frame.kind == PING and frame.flags & ACKNOWLEDGED:
                break
        time.sleep(every)
    return None
