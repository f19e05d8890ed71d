"""The table of moves explored to the end: three versions of one record, everybody who may act, every order."""

import pytest

from reconciliation.lifecycle import TERMINAL
from reconciliation.model import State
from tests.reconciliation.exploring import Table, explore

HOUSE = Table.of_the_house()
EVERYTHING = frozenset(State)


def test_no_world_breaks_the_sentence_and_none_is_without_a_way_to_an_end() -> None:
    explored = explore(HOUSE)

    assert explored.faults(HOUSE) == []
    assert len(explored.ways) > 1_000
    seen = {state for world in explored.ways for state in world.states if state is not None}
    assert seen == set(State)


BROKEN = {
    "nobody may decide an ambiguous unit": (
        HOUSE.with_moves(State.AWAITING_UNIT, drop=EVERYTHING),
        "no way to an end",
    ),
    "a version that waits for another is never let go": (
        HOUSE.with_moves(State.AWAITING_PREDECESSOR, drop=EVERYTHING),
        "no way to an end",
    ),
    "what is published cannot be superseded": (
        HOUSE.with_moves(State.AWAITING_PULL, drop=frozenset({State.SUPERSEDED})),
        "two versions",
    ),
    "what waits for a steward cannot be superseded": (
        HOUSE.with_moves(State.AWAITING_STEWARD, drop=frozenset({State.SUPERSEDED})),
        "two versions",
    ),
    "what fell is taken up again": (
        HOUSE.with_moves(State.SUPERSEDED, add=frozenset({State.AWAITING_OUTCOME})),
        "two versions",
    ),
    "an end that somebody still has to work on": (
        Table(next=HOUSE.next, terminal=TERMINAL - {State.REFUSED}, owned=HOUSE.owned),
        "waits for nobody",
    ),
    "a state without an owner": (
        Table(next=HOUSE.next, terminal=TERMINAL, owned=HOUSE.owned - {State.AWAITING_SIGNATURE}),
        "waits for nobody",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_move_is_caught(case: str) -> None:
    table, expected = BROKEN[case]

    faults = explore(table).faults(table)

    assert faults
    assert any(fault.startswith(expected) or expected in fault for fault in faults), faults[:3]


@pytest.mark.parametrize("state", sorted(HOUSE.owned))
def test_taking_every_way_out_of_a_waiting_state_is_always_caught(state: State) -> None:
    table = HOUSE.with_moves(state, drop=EVERYTHING)

    assert explore(table).faults(table)
