"""Every world that one record's versions can come to under the table of moves, explored to the end at small scope.

The scope: three versions of one record that arrive in any order, some saying whom they follow, some wanting an
officer's signature, and everything that runs, stewards, senders, officers and the registry of record may do about
them, in any order. What each of them tries is written here as the house does it; whether it succeeds is asked of the
table, so that a broken table leads to a world that breaks an invariant.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciliation import lifecycle
from reconciliation.lifecycle import KEPT_BACK, TERMINAL
from reconciliation.model import State

VERSIONS = (1, 2, 3)
DECIDING = (State.AWAITING_UNIT, State.AWAITING_MATCH, State.AWAITING_STEWARD)


@dataclass(frozen=True)
class Table:
    """Which moves are legal and which states are the end; made of lifecycle.py unless a test breaks it."""

    next: Mapping[State, frozenset[State]]
    terminal: frozenset[State]
    owned: frozenset[State]

    @classmethod
    def of_the_house(cls) -> "Table":
        """The table as it is."""
        origins: dict[State, set[State]] = defaultdict(set)
        for to in State:
            for origin in lifecycle.may_come_from(to):
                origins[origin].add(to)
        return cls(
            next={state: frozenset(origins[state]) for state in State},
            terminal=TERMINAL,
            owned=frozenset(lifecycle.WAITING),
        )

    def with_moves(
        self, state: State, *, add: frozenset[State] = frozenset(), drop: frozenset[State] = frozenset()
    ) -> "Table":
        """A broken copy."""
        return replace(self, next={**self.next, state: (self.next[state] | add) - drop})


@dataclass(frozen=True)
class World:
    """The state of each version (None: not here yet), and the highest version the registry has ever applied."""

    states: tuple[State | None, ...] = (None,) * len(VERSIONS)
    applied: int = 0
    fell_back: bool = False  # the registry applied an older version after a newer one

    def of(self, version: int) -> State | None:
        """The state of a version."""
        return self.states[version - 1]

    def put(self, version: int, state: State) -> "World":
        """The world with a version in a state."""
        listed = list(self.states)
        listed[version - 1] = state
        return replace(self, states=tuple(listed))

    @property
    def here(self) -> list[int]:
        """The versions that have landed."""
        return [version for version in VERSIONS if self.of(version) is not None]


@dataclass
class Explored:
    """Every world that was reached, from which others, and the way to each."""

    ways: dict[World, tuple[str, ...]] = field(default_factory=dict)
    steps: dict[World, list[tuple[str, World]]] = field(default_factory=dict)

    def faults(self, table: Table) -> list[str]:
        """Each invariant that a world breaks, with the shortest way to it."""
        found = [f"{fault}: {' · '.join(way)}" for world, way in self.ways.items() for fault in _broken(world, table)]
        found += [f"no way to an end: {' · '.join(self.ways[world])}" for world in self._trapped(table)]
        return sorted(found, key=lambda one: (one.count("·"), one))

    def _trapped(self, table: Table) -> list[World]:
        """The worlds from which not every version can come to an end without a new one landing."""
        before: dict[World, set[World]] = defaultdict(set)
        for world, steps in self.steps.items():
            for name, to in steps:
                if not name.startswith("land"):
                    before[to].add(world)
        done = [world for world in self.ways if all(world.of(one) in table.terminal for one in world.here)]
        ends = set(done)
        while done:
            for world in before[done.pop()]:
                if world not in ends:
                    ends.add(world)
                    done.append(world)
        return [world for world in self.ways if world not in ends]


def explore(table: Table) -> Explored:
    """Breadth first to the end: the way to each world is a shortest one."""
    explored = Explored(ways={World(): ()})
    edge = [World()]
    while edge:
        following = []
        for world in edge:
            explored.steps[world] = list(_steps(world, table))
            for name, to in explored.steps[world]:
                if to not in explored.ways:
                    explored.ways[to] = (*explored.ways[world], name)
                    following.append(to)
        edge = following
    return explored


def _move(world: World, version: int, to: State, table: Table) -> World | None:
    """The world after a move, None where the table forbids it: what is tried is then left alone, as by the store."""
    origin = world.of(version)
    if origin is None or to not in table.next[origin] or origin is to:
        return None
    moved = world.put(version, to)
    if to is State.APPLIED:
        return replace(moved, applied=max(version, world.applied), fell_back=version < world.applied)
    return moved


def _steps(world: World, table: Table) -> Iterator[tuple[str, World]]:
    for version in VERSIONS:
        state = world.of(version)
        if state is None:
            yield from _landings(world, version, table)
            continue
        for name, to in _attempts(world, version, state):
            moved = _move(world, version, to, table)
            if moved is not None:
                yield f"{name} v{version}", _let_fall(moved, table) if state in KEPT_BACK else moved


def _landings(world: World, version: int, table: Table) -> Iterator[tuple[str, World]]:
    """A version that is not newer than what is held ends at once; a newer one makes the older ones fall. So does one
    that was kept back, when it is let go.
    """
    newest = max([one for one in world.here if world.of(one) not in KEPT_BACK], default=0)
    if version < newest:
        yield f"land v{version} late", world.put(version, State.SUPERSEDED)
        return
    yield f"land v{version}", _let_fall(world.put(version, State.AWAITING_RECONCILIATION), table)
    if version > 1 and version - 1 not in world.here:
        yield f"land v{version} that follows", world.put(version, State.AWAITING_PREDECESSOR)
    yield f"land v{version} unsigned", world.put(version, State.AWAITING_SIGNATURE)


def _let_fall(world: World, table: Table) -> World:
    """What is older than the newest version that is not kept back is superseded where the table allows it."""
    newest = max([one for one in world.here if world.of(one) not in KEPT_BACK], default=0)
    for version in world.here:
        if version < newest:
            world = _move(world, version, State.SUPERSEDED, table) or world
    return world


def _attempts(world: World, version: int, state: State) -> Iterator[tuple[str, State]]:
    """Everything that anybody may try with a version in `state`."""
    if state is State.AWAITING_PREDECESSOR:
        yield "predecessor comes or its deadline", State.AWAITING_RECONCILIATION
    if state is State.AWAITING_SIGNATURE:
        yield "officer signs or the deadline", State.AWAITING_RECONCILIATION
    if state in (State.AWAITING_RECONCILIATION, *DECIDING):
        yield "a run publishes", State.AWAITING_PULL
        for held in DECIDING:
            yield f"a run asks for {held}", held
    if state in DECIDING:
        yield "a steward decides", State.AWAITING_RECONCILIATION
    yield "the registry pulls", State.AWAITING_OUTCOME
    if state in (State.AWAITING_PULL, State.AWAITING_OUTCOME):
        yield "the registry applies", State.APPLIED
    if state is State.AWAITING_OUTCOME:
        yield "the registry refuses", State.AWAITING_STEWARD
    if state is State.AWAITING_STEWARD:
        yield "the refusal stands", State.REFUSED
    yield "a steward withdraws", State.WITHDRAWN
    newest = max(world.here)
    if state in (State.WITHDRAWN, State.REFUSED) and version == newest:
        yield "a judgement is reversed", State.AWAITING_RECONCILIATION


def _broken(world: World, table: Table) -> Iterator[str]:
    going = [one for one in world.here if world.of(one) not in table.terminal]
    if any(world.of(one) not in table.owned for one in going):
        yield "a version waits for nobody"
    if any(world.of(one) in table.terminal and table.terminal != TERMINAL for one in world.here):
        yield "an end that is none"
    if len([one for one in going if world.of(one) not in KEPT_BACK]) > 1:
        yield "two versions of one record are on their way"
    if world.fell_back:
        yield "an older version was applied after a newer one"
