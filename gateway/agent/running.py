"""The life of an agent: take what is there, send what is owed, say when there is nothing, compare now and then."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc
import tenacity
import watchfiles

from gateway.agent import query as queries
from gateway.agent import spool as spools
from gateway.agent.errors import AgentError, RejectedFileError, RetryableSpoolFullError
from gateway.agent.folder import CORRECTED, REFUSED, VIETNAM, WatchedFolder
from gateway.agent.greeting import Clock, greet
from gateway.agent.holdings import summary
from gateway.agent.pacing import Bandwidth, Progress
from gateway.agent.pushing import Pusher
from gateway.agent.settings import AgentSettings, Folder, Query, SourceSettings
from gateway.agent.spool import Spool
from gateway.agent.stepping import attest_silence, compare, held, to_send_again
from gateway.agent.telling import Event, Standing, Tell
from gateway.client.errors import RejectedByGatewayError, RetryableGatewayError, told
from gateway.errors import Reason
from gateway.wire.faults import Fault

GREET_SECONDS = 900.0  # between two looks at the gateway's clock
IDLE_SECONDS = 1.0  # between two looks at a spool that owes nothing
SHOW_SECONDS = 1.0  # between two writes of state.json while batches land

_Answer = TypeVar("_Answer")

Connect = Callable[[], AbstractAsyncContextManager[grpc.aio.Channel]]


@dataclass(kw_only=True)
class Surroundings:
    """What an agent runs in: the way to the gateway, its clocks, who hears of it, and what its client signs by."""

    connect: Connect
    tell: Tell
    machine_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    client_options: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False  # end when nothing is owed and nothing waits to be taken


@dataclass(kw_only=True)
class Agent:
    """The agent of one source, with its spool open."""

    settings: SourceSettings
    spool: Spool
    pusher: Pusher
    clock: Clock
    around: Surroundings
    standing: Standing
    origin: WatchedFolder | queries.WatchedQuery
    took_all: bool = False  # the last look at the origin found nothing more
    took_rows: bool = False  # the last look at a query found rows: there may be more at once
    was_full: bool = False
    was_alarming: bool = False
    stopped_by: AgentError | None = None  # with `once`: what kept the origin from being read to its end
    last: dict[str, float] = field(default_factory=dict)  # what was done last when, by the monotonic clock

    def tell(self, event: str, vi: str, en: str, **facts: object) -> None:
        """Tell of an event of this source."""
        self.around.tell(Event(source_id=self.settings.source_id, event=event, vi=vi, en=en, facts=facts))

    def is_due(self, what: str, seconds: float) -> bool:
        """True when `what` was last done longer ago than that, or never."""
        done = self.last.get(what)
        return done is None or self.around.monotonic() - done >= seconds

    def did(self, what: str) -> None:
        """Note that `what` was done just now."""
        self.last[what] = self.around.monotonic()

    def show(self) -> None:
        """Bring state.json up to date."""
        progress, owed = self.pusher.progress, summary(self.spool.stock, self.spool.epochs)["bytes_owed"]
        self.standing.batches_landed, self.standing.bytes_landed = progress.batches, progress.payload_bytes
        self.standing.bytes_per_second = round(progress.bytes_per_second(), 1)
        self.standing.seconds_left = progress.seconds_left(owed)
        self.standing.write(self.spool.folder, now=self.around.machine_clock())
        self.did("show")

    def show_now_and_then(self) -> None:
        """Bring state.json up to date once a second at most."""
        if self.is_due("show", SHOW_SECONDS):
            self.show()


async def run(settings: AgentSettings, around: Surroundings) -> None:
    """Run the agents of all sources until cancelled, or with `once` until nothing is left to do.

    Raises FatalSpoolError or FatalAgentSettingError before anything begins.
    """
    async with AsyncExitStack() as opened:
        bandwidth = Bandwidth(settings.bandwidth_bytes, around.monotonic)
        agents = [
            await opened.enter_async_context(_agent(settings, one, bandwidth, around)) for one in settings.sources
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for agent in agents:
                    group.create_task(_live(agent))
        except* Exception as errors:  # noqa: BLE001 - only taken out of its group
            raise _first(errors) from None


def _first(errors: BaseExceptionGroup[Exception]) -> Exception:
    """The first of the errors that ended the agents: each of them says what to do, and one is enough to begin with."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@asynccontextmanager
async def _agent(
    settings: AgentSettings, source: SourceSettings, bandwidth: Bandwidth, around: Surroundings
) -> AsyncIterator[Agent]:
    async with AsyncExitStack() as opened:
        folder = settings.spool_of(source.source_id)
        spool = opened.enter_context(spools.opened(folder, source_id=source.source_id, settings=settings.limits))
        match source.origin:
            case Folder():
                watched = WatchedFolder.open(source.origin)
                opened.callback(watched.close)
                origin: WatchedFolder | queries.WatchedQuery = watched
            case Query():
                origin = opened.enter_context(queries.opened(source.origin))
        pusher = Pusher(
            spool=spool,
            bandwidth=bandwidth,
            progress=Progress(around.monotonic),
            tell=around.tell,
            window=settings.window,
            client_options=around.client_options,
        )
        agent = Agent(
            settings=source,
            spool=spool,
            pusher=pusher,
            clock=Clock(around.machine_clock, around.monotonic),
            around=around,
            standing=Standing(source_id=source.source_id),
            origin=origin,
        )
        pusher.after_each = agent.show_now_and_then
        if spool.damage.lost or spool.damage.aside:
            agent.tell(
                "damage",
                f"Bộ đệm có {len(spool.damage.lost)} lô mất và {len(spool.damage.aside)} phần hỏng để riêng",
                f"{len(spool.damage.lost)} batches of the spool are lost, {len(spool.damage.aside)} pieces set aside",
                lost=[sequence for _, sequence in spool.damage.lost],
                aside=list(spool.damage.aside),
            )
        yield agent


async def _live(agent: Agent) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(_keep_taking(agent))
            await _keep_pushing(agent)
            taking.cancel()
        if agent.stopped_by:
            raise agent.stopped_by
    finally:
        agent.show()


async def _keep_taking(agent: Agent) -> None:
    """Take from the origin for ever. What cannot be taken now is told and tried again."""
    async for _ in _occasions(agent):
        took_all = False
        try:
            took_all = not await _take(agent)
            agent.was_full = False
        except RetryableSpoolFullError as error:
            if not agent.was_full:
                agent.tell("full", "Bộ đệm đầy: tạm ngừng nhận, dữ liệu đã nhận vẫn an toàn", str(error))
            agent.was_full = True
        except queries.RetryableSourceError as error:
            agent.tell("source_away", "Không đọc được cơ sở dữ liệu của tỉnh", str(error))
            took_all = _stops(agent, error)
        except RejectedFileError as error:
            agent.tell("not_taken", error.vi, error.en)
            took_all = _stops(agent, error)
        agent.took_all = took_all
        if agent.spool.is_alarming and not agent.was_alarming:
            agent.tell("alarm", "Bộ đệm đã dùng hơn 80 %", "more than 80 % of the spool's quota are used")
        agent.was_alarming = agent.spool.is_alarming


def _stops(agent: Agent, error: AgentError) -> bool:
    """With `once` nothing further is read, and what was taken before is sent; otherwise the next look tries again."""
    if agent.around.once:
        agent.stopped_by = error
    return agent.around.once


async def _occasions(agent: Agent) -> AsyncIterator[None]:
    """When it is worth looking at the origin: now, on a change, and after `poll_seconds` at the latest."""
    yield
    match agent.settings.origin:
        case Folder() as folder:
            changes = watchfiles.awatch(
                folder.path,
                folder.path / CORRECTED,
                recursive=False,
                yield_on_timeout=True,
                rust_timeout=max(50, round(folder.poll_seconds * 1000)),
                debounce=200,
                step=50,
                force_polling=folder.force_polling,
            )
            async for _ in changes:
                yield
                while not agent.took_all:  # something has yet to keep still for long enough
                    await asyncio.sleep(min(folder.poll_seconds, max(0.05, folder.settle_seconds)))
                    yield
        case Query() as query:
            while True:
                if not agent.took_rows:
                    await asyncio.sleep(query.poll_seconds)
                yield


async def _take(agent: Agent) -> bool:
    """Take what is there; True when there may be more."""
    made_at = agent.around.machine_clock().isoformat(timespec="seconds")
    if isinstance(agent.origin, queries.WatchedQuery):
        agent.took_rows = False
        rows = await asyncio.to_thread(agent.origin.read, agent.spool.mark)
        if not rows:
            return False
        today = agent.clock.now().astimezone(VIETNAM).date()
        entry = agent.origin.take(rows, agent.spool, today=today, made_at=made_at)
        agent.tell("taken", f"Đã nhận lô {entry.sequence}", f"batch {entry.sequence} taken", sequence=entry.sequence)
        agent.took_rows = True
        return True
    for taken in agent.origin.take_settled(agent.spool, now=agent.around.monotonic(), made_at=made_at):
        if taken.error:
            agent.tell(
                "not_taken",
                f"{taken.name}: {taken.error.vi} Tệp được để riêng trong {REFUSED}/.",
                f"{taken.name}: {taken.error.en} It was set aside in {REFUSED}/.",
            )
        else:
            said = (taken.name, taken.sequence)
            agent.tell("taken", "{}: lô {}".format(*said), "{}: batch {}".format(*said), sequence=taken.sequence)
        await asyncio.sleep(0)
    return not agent.origin.is_empty()


async def _keep_pushing(agent: Agent) -> None:
    """Send, attest and compare for ever, whatever the line does; with `once` until nothing is left."""
    back_off = tenacity.wait_random_exponential(multiplier=0.5, max=60)
    held_off = tenacity.wait_random(60, 300)
    attempt = tenacity.RetryCallState(retry_object=tenacity.AsyncRetrying(), fn=None, args=(), kwargs={})
    async with AsyncExitStack() as opened:
        channel = await opened.enter_async_context(agent.around.connect())
        while True:
            try:
                await _step(agent, channel)
                attempt.attempt_number = 1
                agent.standing.is_connected, agent.standing.last_fault = True, None
                if _is_finished(agent):
                    return
                await asyncio.sleep(IDLE_SECONDS if not agent.spool.pending() else 0)
            except RetryableGatewayError as error:
                _tell_fault(agent, "lost_line", "Không gọi được cổng, sẽ thử lại", error.fault)
                await asyncio.sleep(back_off(attempt))
                attempt.attempt_number += 1
            except RejectedByGatewayError as error:
                _tell_fault(agent, "held", "Cổng không cho gửi", error.fault)
                if agent.around.once:
                    raise
                await asyncio.sleep(max(error.fault.retry_seconds or 0.0, held_off(attempt)))
            except RetryableSpoolFullError as full:
                agent.tell("full", "Đĩa đầy: chưa ghi được biên nhận, sẽ hỏi lại", str(full))
                await asyncio.sleep(back_off(attempt))
            agent.show()


def _is_finished(agent: Agent) -> bool:
    return agent.around.once and agent.took_all and not agent.spool.pending()


def _tell_fault(agent: Agent, event: str, vi: str, fault: Fault) -> None:
    agent.standing.is_connected = False
    said = {"reason": fault.reason or fault.code.name, "vi": fault.vi, "en": fault.message}
    if agent.standing.last_fault != said:
        agent.tell(event, f"{vi}. {fault.vi}".strip(), told(fault))
    agent.standing.last_fault = said


async def _step(agent: Agent, channel: grpc.aio.Channel) -> None:
    """One look: the clock, what is owed, what differs, what may be forgotten, and silence when there is nothing."""
    if agent.is_due("greet", GREET_SECONDS):
        await _greet(agent, channel)
    agent.spool.asked_again()
    while agent.spool.pending():
        await agent.pusher.push_round(channel)
        agent.show()
    if agent.is_due("compare", agent.settings.compare_seconds):
        await _compare(agent, channel)
    if agent.is_due("tidy", 600):
        agent.spool.tidy(gateway_time=agent.clock.now())
        agent.did("tidy")
    is_quiet = (
        agent.took_all and agent.stopped_by is None and not agent.spool.pending() and not agent.spool.stock.refused
    )
    if is_quiet and agent.is_due("silence", agent.settings.silence_seconds):
        await _attest(agent, channel)


async def _greet(agent: Agent, channel: grpc.aio.Channel) -> None:
    greeting = await greet(
        channel, source_id=agent.settings.source_id, epoch=agent.spool.epoch, now=agent.around.machine_clock()
    )
    agent.clock.learn(greeting.server_time)
    agent.did("greet")
    seconds = greeting.skew.total_seconds()
    if greeting.clock_is_wrong and not agent.standing.clock_is_wrong:
        agent.tell(
            "clock",
            f"Đồng hồ máy này lệch {seconds:+.0f} giây: hãy chỉnh theo máy chủ thời gian",
            f"this machine's clock is {seconds:+.0f} s off the gateway's: set it by a time server",
            skew_seconds=round(seconds),
        )
    agent.standing.clock_skew_seconds, agent.standing.clock_is_wrong = round(seconds, 1), greeting.clock_is_wrong


async def _if_offered(call: Awaitable[_Answer]) -> _Answer | None:
    """The answer, None from a gateway of an earlier release."""
    try:
        return await call
    except RejectedByGatewayError as error:
        if error.fault.code is not grpc.StatusCode.UNIMPLEMENTED:
            raise
    return None


async def _attest(agent: Agent, channel: grpc.aio.Channel) -> None:
    agent.did("silence")
    saying = attest_silence(
        channel,
        source_id=agent.settings.source_id,
        epoch=agent.spool.epoch,
        up_to_sequence=agent.spool.last_sequence,
        now=agent.around.machine_clock(),
    )
    try:
        attested = await _if_offered(saying)
    except RejectedByGatewayError as error:
        if error.fault.reason != Reason.SILENCE_PREMATURE:
            raise
        agent.last.pop("compare", None)  # what is held there is not what the receipts say: find out what differs
        agent.tell("premature", f"Chưa báo được: {error.fault.vi}", error.fault.message)
        return
    if attested is None:
        return
    agent.clock.learn(attested.noted_at)
    agent.standing.attested_at = attested.noted_at.isoformat()
    expected = attested.expected_by
    agent.standing.expected_by = expected.isoformat()
    agent.tell(
        "silence",
        f"Không còn gì để gửi sau lô {agent.spool.last_sequence}; cổng đợi đến {expected:%d/%m %H:%M} UTC",
        f"nothing to send after batch {agent.spool.last_sequence}; expected by {expected:%Y-%m-%d %H:%M} UTC",
        up_to_sequence=agent.spool.last_sequence,
    )


async def _compare(agent: Agent, channel: grpc.aio.Channel) -> None:
    for epoch in agent.spool.epochs:
        batches = held(agent.spool.stock, epoch)
        last = max(batches, default=0)
        found = await _if_offered(
            compare(channel, source_id=agent.settings.source_id, epoch=epoch, batches=batches, last=last)
        )
        if found is None:
            continue
        missing = [number for number in found.missing if (epoch, number) not in agent.spool.stock.refused]
        if not (missing or found.differing or found.unknown):
            continue  # a refused batch is lacking until its correction comes, and was told when it was refused
        gone = agent.spool.send_again(to_send_again(found, agent.spool.stock))
        agent.tell(
            "differs",
            f"Cổng thiếu {len(missing)} lô, gửi lại; {len(gone)} lô không còn giữ; "
            f"{len(found.differing)} lô khác nội dung",
            f"the gateway lacks {len(missing)} batches, sent again; {len(gone)} of them are no longer kept; "
            f"{len(found.differing)} have other bytes there",
            epoch=epoch,
            missing=missing[:100],
            gone=[sequence for _, sequence in gone[:100]],
            differing=list(found.differing[:100]),
            unknown=list(found.unknown[:100]),
        )
    agent.did("compare")
    agent.standing.compared_at = agent.clock.now().isoformat()
