"""A line between a client and a gateway that can be cut after so many bytes, in either direction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Line:
    """`request_bytes` and `reply_bytes`: how many may still pass; None is any number. At 0 the connection is reset."""

    port: int = 0
    request_bytes: int | None = None
    reply_bytes: int | None = None
    cuts: int = 0
    is_cut: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def allow(self, *, request_bytes: int | None = None, reply_bytes: int | None = None) -> None:
        """Say anew how much may pass."""
        self.request_bytes, self.reply_bytes = request_bytes, reply_bytes
        self.is_cut.clear()


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """A line to a port of loopback; `Line.port` is this end of it."""
    line = Line()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        ends = {writer, far_writer}
        line.writers |= ends
        ways = [
            asyncio.create_task(_carry(line, "request_bytes", reader, far_writer)),
            asyncio.create_task(_carry(line, "reply_bytes", far_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            end.transport.abort()
        line.writers -= ends

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        for writer in list(line.writers):
            writer.transport.abort()


async def _carry(line: Line, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        left = getattr(line, way)
        if left is not None:
            data = data[:left]
            setattr(line, way, left - len(data))
        writer.write(data)
        await writer.drain()
        if left is not None and left - len(data) <= 0:
            line.cuts += 1
            line.is_cut.set()
            return
