"""A seed becomes a plan: who sends what, through which gateway, and what breaks meanwhile. Pure; nothing here waits.

A plan is a fixed number of rounds. In a round some processes send at the same time, and one fault strikes after so many
answers. What a round leaves unanswered is asked again at the end, when everything is whole.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gateway.v1 import records_pb2

SOURCES = ("ha-noi.population", "lao-cai.population", "yen-bai.population", "lam-dong.population")
SUBJECTS = 8  # of a source; all sources use the same keys, and mean other people by them
BEGAN = datetime(2025, 7, 1, tzinfo=UTC)  # version 0; a version is minutes later
UNREADABLE = b"\xff" * 24
SKEWS = (-7_200.0, -3_000.0, -900.0, 1_200.0, 3_600.0, 5_400.0, 40_000_000.0)  # seconds a client's clock is off


class Strike(StrEnum):
    """What breaks."""

    NOTHING = "nothing"
    KILL_GATEWAY = "kill gateway"
    PAUSE_GATEWAY = "pause gateway"  # and let it go on when others have done its work
    DIE_BEFORE_COMMIT = "die before commit"
    DIE_AFTER_COMMIT = "die after commit"
    PAUSE_BEFORE_COMMIT = "pause before commit"
    PAUSE_AFTER_COMMIT = "pause after commit"
    KILL_POSTGRES = "kill postgres"
    RESTART_POSTGRES = "restart postgres"
    FILL_DISK = "fill disk"
    CUT_REQUEST = "cut request"
    CUT_REPLY = "cut reply"
    RESET_LINES = "reset lines"  # of everybody, who all come back at once
    SILENCE = "silence"
    TREACLE = "treacle"  # latency, jitter and a thin line in small slices


class Clocks(StrEnum):
    """How the senders' clocks are off."""

    AS_DRAWN = "as drawn"
    PERMUTED = "permuted"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record of a batch. `is_bad` ones hold what no text may, and are held back."""

    source_record_id: str
    version: int
    content: str
    is_bad: bool = False


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One batch. `variant` 1 is the same key with other bytes."""

    source_id: str
    sequence: int
    entries: tuple[Entry, ...]  # none: its payload cannot be read
    variant: int = 0
    epoch: str = "e1"

    @property
    def key(self) -> str:
        """Source, epoch and sequence: the idempotency key."""
        return f"{self.source_id}/{self.epoch}/{self.sequence}"


@dataclass(frozen=True, kw_only=True)
class Sending:
    """One process pushes batches of one source over one stream, in this order."""

    process: str
    gateway: int
    parcels: tuple[Parcel, ...]
    skew_seconds: float

    @property
    def source_id(self) -> str:
        """Whose batches they are."""
        return self.parcels[0].source_id


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`strike` happens to `gateway` or its line after `after` answers of the round; `amount`: bytes, or passes."""

    strike: Strike
    gateway: int = 0
    after: int = 0
    amount: int = 1


@dataclass(frozen=True, kw_only=True)
class Round:
    """What is sent at the same time, and what breaks meanwhile."""

    sendings: tuple[Sending, ...]
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run. `is_calm`: each source sends in one order only, so that the order of arrival is the plan's."""

    seed: int
    gateways: int
    rounds: tuple[Round, ...]
    is_calm: bool = False

    @property
    def epoch_after(self) -> int | None:
        """The round after which an operator begins a new epoch of the feed; None in two runs of three."""
        return 1 if self.seed % 3 == 2 else None

    def parcels(self) -> list[Parcel]:
        """Every batch of the plan once, by source, sequence and variant."""
        each = {(p.source_id, p.sequence, p.variant): p for r in self.rounds for s in r.sendings for p in s.parcels}
        return [each[name] for name in sorted(each)]


# Waiting costs a second each, so a plan has one of these at most.
_WAITING = {
    Strike.SILENCE,
    Strike.PAUSE_GATEWAY,
    Strike.PAUSE_BEFORE_COMMIT,
    Strike.PAUSE_AFTER_COMMIT,
    Strike.FILL_DISK,
}


@dataclass
class _Drawer:
    dice: random.Random
    versions: dict[tuple[str, str], int] = field(default_factory=dict)  # the newest drawn; the odd one below is free
    said: dict[str, list[Entry]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)

    def parcel(self, source_id: str) -> Parcel:
        sequence = self.sequences[source_id] = self.sequences.get(source_id, 0) + 1
        if self.dice.random() < 0.06:
            return Parcel(source_id=source_id, sequence=sequence, entries=())
        subjects = self.dice.sample(range(SUBJECTS), self.dice.randint(2, 6))
        entries = tuple(self.entry(source_id, f"R{number:03d}", sequence) for number in subjects)
        return Parcel(source_id=source_id, sequence=sequence, entries=entries)

    def entry(self, source_id: str, record: str, sequence: int) -> Entry:
        newest = self.versions.get((source_id, record), 0)
        chance = self.dice.random()
        if chance < 0.15 and newest > 2:
            version = newest - 1  # an older one that was not sent: it comes late
            if any((e.source_record_id, e.version) == (record, version) for e in self.said[source_id]):
                version = newest = newest + 2
        elif chance < 0.25 and (again := [e for e in self.said.get(source_id, ()) if e.source_record_id == record]):
            return again[-1]  # the same once more
        else:
            version = newest = newest + 2
        self.versions[source_id, record] = newest
        content = f"{source_id} so {sequence} ban {version}"
        entry = Entry(source_record_id=record, version=version, content=content, is_bad=self.dice.random() < 0.06)
        self.said.setdefault(source_id, []).append(entry)
        return entry


def draw(seed: int) -> Plan:
    """The plan of a seed. Every fifth is calm: it is run twice, with the senders' clocks changed about."""
    dice = random.Random(seed)
    drawer = _Drawer(dice)
    if seed % 5 == 4:
        rounds = tuple(_calm_round(drawer, number) for number in range(2))
        return Plan(seed=seed, gateways=1, rounds=rounds, is_calm=True)
    gateways = dice.choice([1, 2])
    strikes = _strikes(dice, gateways)
    rounds = tuple(_round(drawer, number, strike, gateways) for number, strike in enumerate(strikes))
    return Plan(seed=seed, gateways=gateways, rounds=rounds)


def _strikes(dice: random.Random, gateways: int) -> list[Strike]:
    """Four strikes, of which one at most makes everybody wait; a zombie needs another gateway to be overtaken by."""
    quick = [strike for strike in Strike if strike not in _WAITING]
    waiting = [Strike.SILENCE, Strike.FILL_DISK] if gateways == 1 else sorted(_WAITING)
    strikes = [*dice.sample(quick, 3), dice.choice(waiting)]
    dice.shuffle(strikes)
    return strikes


def _round(drawer: _Drawer, number: int, strike: Strike, gateways: int) -> Round:
    dice = drawer.dice
    sendings: list[Sending] = []
    for source_id in dice.sample(SOURCES, 3):
        parcels = [drawer.parcel(source_id) for _ in range(dice.randint(1, 4))]
        ways = [tuple(parcels)]
        if dice.random() < 0.35:  # the same again, at the same time, by others
            ways += [tuple(parcels)] * dice.randint(1, 2)
        if dice.random() < 0.35:  # and in another order
            ways.append(tuple(dice.sample(parcels, len(parcels))))
        if dice.random() < 0.2 and parcels[-1].entries:  # and the same key with other bytes
            ways.append((_altered(parcels[-1]),))
        for parcels_of_one in ways:
            process = f"r{number}p{len(sendings)}"
            gateway = dice.randrange(gateways)
            skew = dice.choice(SKEWS)
            sendings.append(Sending(process=process, gateway=gateway, parcels=parcels_of_one, skew_seconds=skew))
    return Round(sendings=tuple(sendings), fault=_fault(dice, strike, gateways))


def _altered(parcel: Parcel) -> Parcel:
    entries = tuple(replace(entry, content=f"{entry.content} khac") for entry in parcel.entries)
    return replace(parcel, entries=entries, variant=1)


def _fault(dice: random.Random, strike: Strike, gateways: int) -> Fault:
    amounts = {
        Strike.CUT_REQUEST: dice.randint(1, 2_500),
        Strike.CUT_REPLY: dice.randint(1, 600),
        Strike.DIE_BEFORE_COMMIT: dice.randint(1, 4),
        Strike.DIE_AFTER_COMMIT: dice.randint(1, 4),
        Strike.PAUSE_BEFORE_COMMIT: dice.randint(1, 3),
        Strike.PAUSE_AFTER_COMMIT: dice.randint(1, 3),
    }
    return Fault(
        strike=strike, gateway=dice.randrange(gateways), after=dice.randint(0, 5), amount=amounts.get(strike, 1)
    )


def _calm_round(drawer: _Drawer, number: int) -> Round:
    dice = drawer.dice
    sendings = [
        Sending(
            process=f"r{number}p{place}",
            gateway=0,
            parcels=tuple(drawer.parcel(source_id) for _ in range(3)),
            skew_seconds=SKEWS[(place + number) % len(SKEWS)],
        )
        for place, source_id in enumerate(SOURCES)
    ]
    return Round(sendings=tuple(sendings), fault=Fault(strike=dice.choice([Strike.NOTHING, Strike.TREACLE])))


def with_clocks(plan: Plan, clocks: Clocks) -> Plan:
    """The same plan with the senders' clocks as drawn, or each with another's and the sign turned about."""
    if clocks is Clocks.AS_DRAWN:
        return plan
    return replace(plan, rounds=tuple(replace(one, sendings=_turned(one.sendings)) for one in plan.rounds))


def _turned(sendings: tuple[Sending, ...]) -> tuple[Sending, ...]:
    skews = [-sending.skew_seconds for sending in reversed(sendings)]
    return tuple(replace(sending, skew_seconds=skew) for sending, skew in zip(sendings, skews, strict=True))


def payload(parcel: Parcel) -> bytes:
    """The bytes of a batch: typed records, or what is none."""
    if not parcel.entries:
        return UNREADABLE + bytes([parcel.sequence % 256])
    people = [
        records_pb2.PersonRecord(
            source_record_id=entry.source_record_id,
            updated_at=(BEGAN + timedelta(minutes=entry.version)).isoformat(),
            full_name="V\x00n An" if entry.is_bad else "Nguyễn Văn An",
            birth_date="1980",
            sex=records_pb2.SEX_MALE,
            address=entry.content,
        )
        for entry in parcel.entries
    ]
    return records_pb2.TypedRecords(persons=people).SerializeToString()


def version_seconds(version: int) -> int:
    """What a version is once it has landed: seconds since 1970."""
    return int((BEGAN + timedelta(minutes=version)).timestamp())
