"""A name server that knows one name, whose addresses change when a test says so, or that knows nothing for a while."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

NAME = "gateway.test"
_A, _AAAA = 1, 28
_NO_SUCH_NAME = 3


@dataclass
class Names(asyncio.DatagramProtocol):
    """Answers for `addresses`; for none of them it says that there is no such name. `asked` counts the questions."""

    addresses: Sequence[str] = ()
    asked: int = 0
    port: int = 0
    _transport: asyncio.DatagramTransport | None = field(default=None, repr=False)

    def target(self, port: int) -> str:
        """What a client connects to, so that it asks here for the address."""
        return f"dns://127.0.0.1:{self.port}/{NAME}:{port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to answer."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Answer one question."""
        assert self._transport is not None
        self.asked += 1
        self._transport.sendto(self._answer(data), addr)

    def _answer(self, question: bytes) -> bytes:
        number = question[:2]
        end = question.index(b"\0", 12) + 1
        kind = struct.unpack("!H", question[end : end + 2])[0]
        asked = question[12 : end + 4]
        wanted = {_A: 4, _AAAA: 6}.get(kind)
        found = [
            ipaddress.ip_address(one).packed for one in self.addresses if ipaddress.ip_address(one).version == wanted
        ]
        flags = 0x8580 if self.addresses else 0x8580 | _NO_SUCH_NAME
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(packed)) + packed for packed in found)
        return number + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + asked + records


@asynccontextmanager
async def name_server(*addresses: str) -> AsyncIterator[Names]:
    """A name server on a free port of loopback."""
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(lambda: Names(addresses), local_addr=("127.0.0.1", 0))
    names.port = transport.get_extra_info("sockname")[1]
    try:
        yield names
    finally:
        transport.close()
