"""A line between a client and a gateway that can be slow, thin, torn, silent or cut, each direction by itself.

The faults have the names they have in toxiproxy: latency, jitter, bandwidth, slicer, limit_data, reset_peer, timeout.
Dice decide jitter only and are seeded; everything else happens at a byte or when it is told to.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Way:
    """One direction. Whatever is set holds from now on, for the connections that are open too."""

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float | None = None  # bandwidth
    slice_bytes: int | None = None  # slicer: no more than so many at a time
    limit_bytes: int | None = None  # limit_data: so many may still pass, then the connection is reset
    is_silent: bool = False  # timeout: what comes is thrown away and nobody is told
    is_held: bool = False  # a dropout: what comes waits, and arrives when the line is back
    taken: int = 0  # bytes that went in at this end
    carried: int = 0  # bytes that came out at the other end

    def at_once(self) -> int:
        """How many bytes to take at a time, so that a thin line drips and does not gush."""
        dripping = max(int(self.bytes_per_second / 20), 1) if self.bytes_per_second else 65_536
        return min(dripping, self.slice_bytes or 65_536)

    def heal(self) -> None:
        """Carry everything at once again."""
        self.latency_seconds = self.jitter_seconds = 0.0
        self.bytes_per_second = self.slice_bytes = self.limit_bytes = None
        self.is_silent = self.is_held = False


@dataclass
class Line:
    """`port` is this end on loopback, `target` the far one; a new target holds for new connections."""

    target: int
    host: str = "127.0.0.1"
    port: int = 0
    requests: Way = field(default_factory=Way)
    replies: Way = field(default_factory=Way)
    refuses: bool = False  # new connections are reset
    cuts: int = 0
    connections: int = 0
    is_cut: asyncio.Event = field(default_factory=asyncio.Event)
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def allow(self, *, request_bytes: int | None = None, reply_bytes: int | None = None) -> None:
        """Say anew how much may pass; None is any number."""
        self.requests.limit_bytes, self.replies.limit_bytes = request_bytes, reply_bytes
        self.is_cut.clear()

    def reset(self) -> None:
        """reset_peer: end every open connection, now and without a goodbye."""
        for writer in list(self.writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Be a good line again."""
        self.requests.heal()
        self.replies.heal()
        self.refuses = False
        self.is_cut.clear()


@asynccontextmanager
async def line_to(port: int, *, host: str = "127.0.0.1", own_port: int = 0, seed: int = 1) -> AsyncIterator[Line]:
    """A line to a port of loopback; `Line.port` is this end of it, on the address `host`: `own_port`, or a free one."""
    line = Line(port, host=host, dice=random.Random(seed))
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with suppress(OSError):  # nobody at the far end, or an end that has gone: what a line is for
            await _connect_through(line, reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(connected, host, own_port)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.refuses = True
        while tasks:
            line.reset()
            await asyncio.wait(tasks, timeout=0.02)


async def _connect_through(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if line.refuses:
        return
    line.connections += 1
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", line.target)
    ends = {writer, far_writer}
    line.writers |= ends
    ways = [
        asyncio.create_task(_carry(line, line.requests, reader, far_writer)),
        asyncio.create_task(_carry(line, line.replies, far_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            end.transport.abort()
        line.writers -= ends


async def _carry(line: Line, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of the stream or of what may pass."""
    loop = asyncio.get_running_loop()
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
    delivering = asyncio.create_task(_deliver(way, on_the_way, writer))
    try:
        while data := await reader.read(way.at_once()):
            way.taken += len(data)
            if way.is_silent:
                continue
            left = way.limit_bytes
            if left is not None:
                data = data[:left]
                way.limit_bytes = left - len(data)
            jitter = line.dice.uniform(0, way.jitter_seconds)
            await on_the_way.put((loop.time() + way.latency_seconds + jitter, data))
            if left is not None and left - len(data) <= 0:
                break
        arriving = asyncio.create_task(on_the_way.join())
        try:
            await asyncio.wait({arriving, delivering}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arriving.cancel()
        if way.limit_bytes == 0:
            line.cuts += 1
            line.is_cut.set()
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)


async def _deliver(way: Way, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, data = await on_the_way.get()
        if (early := due - loop.time()) > 0:
            await asyncio.sleep(early)
        if way.bytes_per_second:
            await asyncio.sleep(len(data) / way.bytes_per_second)
        while way.is_held:
            await asyncio.sleep(0.01)
        if not way.is_silent:
            writer.write(data)
            await writer.drain()
            way.carried += len(data)
        on_the_way.task_done()
