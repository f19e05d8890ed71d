"""A plan is carried out in a world: history and final state come out, and what they violate."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import tenacity

from reconciliation.errors import RetryableStoreError
from reconciliation.store.engine import connect
from tests.database import clean
from tests.faults.line import Line, line_to
from tests.nemesis import final, traffic
from tests.nemesis.feeding import beside
from tests.nemesis.history import Event, History, Kind
from tests.nemesis.plan import Clocks, Fault, Parcel, Plan, Round, Sending, Strike, draw, with_clocks
from tests.nemesis.validators import same_whatever_the_clocks, violations
from tests.nemesis.world import Gateway, World

# Of a sender: what is not answered by then is unknown. Where no answer can come it waits no longer than it must.
PATIENCE_SECONDS = 4.0
IN_SILENCE_SECONDS = 0.8
SILENT = {Strike.SILENCE, Strike.PAUSE_GATEWAY, Strike.PAUSE_BEFORE_COMMIT, Strike.PAUSE_AFTER_COMMIT}
ATTEMPTS = 2
CALM_ATTEMPTS = 20
DIES = {Strike.DIE_BEFORE_COMMIT: "before_commit", Strike.DIE_AFTER_COMMIT: "after_commit_before_receipt"}
PAUSES = {Strike.PAUSE_BEFORE_COMMIT: "before_commit", Strike.PAUSE_AFTER_COMMIT: "after_commit_before_receipt"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to."""

    plan: Plan
    history: Sequence[Event]
    final: final.Final
    violations: list[tuple[str, str]]


@dataclass
class _Stage:
    """A run that is under way."""

    world: World
    plan: Plan
    history: History
    gateways: list[Gateway]
    lines: list[Line]


def run_seed(world: World, seed: int) -> list[Outcome]:
    """The run of a seed; of a calm one two runs, whose states have to be the same."""
    plan = draw(seed)
    outcomes = [run_plan(world, plan)]
    if plan.is_calm:
        outcomes.append(run_plan(world, with_clocks(plan, Clocks.PERMUTED)))
        calm, changed = outcomes
        differing = same_whatever_the_clocks(calm.final, changed.final, calm.history, changed.history)
        outcomes[1].violations.extend(("I15 clock-free", wrong) for wrong in differing)
    return outcomes


def run_plan(world: World, plan: Plan) -> Outcome:
    """Carry out a plan in a database as good as new, and hold what happened against every validator."""
    _clean(world.url)
    history = asyncio.run(_run(world, plan))
    engine = connect(world.url, pool_size=1)
    state = final.read(engine)
    engine.dispose()
    return Outcome(plan=plan, history=history, final=state, violations=violations(history, state))


# What the last run's gateways had begun when they were killed may still hold something.
_clean = tenacity.retry(
    retry=tenacity.retry_if_exception_type(RetryableStoreError),
    wait=tenacity.wait_fixed(0.2),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)(clean)


async def _run(world: World, plan: Plan) -> list[Event]:
    history = History()
    await history.note("nemesis", Kind.INFO, "begin", seed=plan.seed)
    async with AsyncExitStack() as ending:
        gateways = [Gateway(world) for _ in range(plan.gateways)]
        for gateway in gateways:
            ending.push_async_callback(gateway.kill)
        lines = [await ending.enter_async_context(line_to(one.port, seed=plan.seed)) for one in gateways]
        await asyncio.gather(*(gateway.start() for gateway in gateways))
        stage = _Stage(world, plan, history, gateways, lines)
        ports = [line.port for line in lines]
        others = await ending.enter_async_context(beside(history, world.url, ports, seed=plan.seed))
        for number, one in enumerate(plan.rounds):
            await _play(stage, one)
            await _heal(stage)
            if number == plan.epoch_after:
                await others.begin_epoch()
        await _drain(stage)
        await others.end()
    await history.note("nemesis", Kind.INFO, "end")
    return history.events


async def _play(stage: _Stage, one: Round) -> None:
    """Everybody sends; the fault strikes after so many answers, or when there is nobody left to answer."""
    fault, gateway = one.fault, stage.gateways[one.fault.gateway]
    await stage.history.note("nemesis", Kind.INFO, str(fault.strike), gateway=fault.gateway, amount=fault.amount)
    if place := DIES.get(fault.strike) or PAUSES.get(fault.strike):
        await gateway.kill()
        await gateway.start(f"{place}:{fault.amount}" + (":pause" if fault.strike in PAUSES else ""))
    due = asyncio.create_task(stage.history.until_answers(stage.history.answers + fault.after))
    struck = asyncio.Event()
    sending = asyncio.gather(*(_keep_sending(stage, sending, fault.strike, struck) for sending in one.sendings))

    async def strike() -> None:
        await asyncio.wait({due, sending}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        try:
            await _strike(stage, fault)
        finally:
            struck.set()

    if fault.strike in DIES or fault.strike in PAUSES:
        struck.set()
    striking = asyncio.create_task(_follow(gateway) if fault.strike in DIES else strike())
    await sending
    due.cancel()
    if fault.strike in DIES and not gateway.has_ended:
        striking.cancel()  # it was not passed so often; the next round has another gateway
    with contextlib.suppress(asyncio.CancelledError):
        await striking


async def _follow(gateway: Gateway) -> None:
    """A gateway that dies is followed by another."""
    await gateway.ended()
    await gateway.start()


async def _strike(stage: _Stage, fault: Fault) -> None:
    """What happens to a process or a disk; lines are the other half."""
    gateway, world = stage.gateways[fault.gateway], stage.world
    match fault.strike:
        case Strike.KILL_GATEWAY:
            await gateway.kill()
            await gateway.start()
        case Strike.PAUSE_GATEWAY:
            gateway.signal(signal.SIGSTOP)
        case Strike.KILL_POSTGRES:
            await asyncio.to_thread(world.database.kill)
            await asyncio.to_thread(world.database.start)
        case Strike.RESTART_POSTGRES:
            await asyncio.to_thread(world.database.stop)
            await asyncio.to_thread(world.database.start)
        case Strike.FILL_DISK if world.disk.is_small:
            await asyncio.to_thread(world.disk.fill)
        case Strike.FILL_DISK:
            await stage.history.note("nemesis", Kind.INFO, "skipped", why="no file system can be mounted here")
        case _:
            _spoil(stage, fault)


def _spoil(stage: _Stage, fault: Fault) -> None:
    """What happens to lines. The rest happens inside a gateway, or is nothing."""
    line = stage.lines[fault.gateway]
    match fault.strike:
        case Strike.CUT_REQUEST:
            line.allow(request_bytes=fault.amount)
        case Strike.CUT_REPLY:
            line.allow(reply_bytes=fault.amount)
        case Strike.RESET_LINES:
            for each in stage.lines:
                each.reset()
        case Strike.SILENCE:
            line.requests.is_silent = line.replies.is_silent = True
        case Strike.TREACLE:
            for way in (line.requests, line.replies):
                way.latency_seconds, way.jitter_seconds = 0.01, 0.02
                way.slice_bytes, way.bytes_per_second = 256, 40_000


async def _heal(stage: _Stage) -> None:
    """Make everything whole again, and let a zombie go on."""
    for line in stage.lines:
        if line.requests.is_silent:
            line.reset()
        line.heal()
    stage.world.disk.free()
    await asyncio.to_thread(stage.world.database.start)
    for gateway in stage.gateways:
        is_zombie = gateway.is_stopped
        gateway.signal(signal.SIGCONT)
        if gateway.is_armed and not is_zombie:
            await gateway.kill()  # it did not get there, and must not later
        if gateway.has_ended:
            await gateway.start()


async def _drain(stage: _Stage) -> None:
    """Ask again for every batch of the plan: what was unknown is answered, and what was answered is answered again."""
    await stage.history.note("nemesis", Kind.INFO, "drain")
    for variant in (0, 1):
        by_source: dict[str, list[Parcel]] = {}
        for parcel in stage.plan.parcels():
            if parcel.variant == variant:
                by_source.setdefault(parcel.source_id, []).append(parcel)
        await asyncio.gather(
            *(
                traffic.ask_again(
                    stage.history,
                    parcels,
                    process=f"drain {variant} {source_id}",
                    port=stage.lines[place % len(stage.lines)].port,
                )
                for place, (source_id, parcels) in enumerate(by_source.items())
            )
        )


async def _keep_sending(stage: _Stage, sending: Sending, strike: Strike, struck: asyncio.Event) -> None:
    """Try again what is not answered, at the next gateway, once the blow has fallen; a calm sender until it is."""
    patience = IN_SILENCE_SECONDS if strike in SILENT else PATIENCE_SECONDS
    left = sending.parcels
    for attempt in range(CALM_ATTEMPTS if stage.plan.is_calm else ATTEMPTS):
        place = (sending.gateway + attempt) % len(stage.gateways)
        with contextlib.suppress(TimeoutError):
            if attempt and strike not in SILENT:
                await asyncio.wait_for(struck.wait(), patience)
            await asyncio.wait_for(stage.gateways[place].listens.wait(), patience)
        remaining = replace(sending, gateway=place, parcels=left)
        port = stage.lines[place].port
        left = await traffic.send(stage.history, remaining, port=port, patience_seconds=patience)
        if not left:
            return
