"""A seed is a plan and always the same one; plans bring everything that can break."""

from tests.nemesis.plan import Clocks, Strike, draw, payload, with_clocks

SEEDS = range(1, 201)


def test_a_seed_is_always_the_same_plan() -> None:
    assert [draw(seed) for seed in SEEDS] == [draw(seed) for seed in SEEDS]
    assert draw(1) != draw(2)


def test_two_hundred_seeds_bring_every_fault_and_twenty_nearly_all() -> None:
    def strikes(seeds: range) -> set[Strike]:
        return {one.fault.strike for seed in seeds for one in draw(seed).rounds}

    assert strikes(SEEDS) == set(Strike)
    assert len(strikes(range(1, 21))) >= len(Strike) - 3


def test_a_key_has_one_content_a_variant() -> None:
    for seed in SEEDS:
        sent = {}
        for one in draw(seed).rounds:
            for sending in one.sendings:
                for parcel in sending.parcels:
                    assert sent.setdefault((parcel.key, parcel.variant), payload(parcel)) == payload(parcel)


def test_plans_repeat_reorder_and_reuse() -> None:
    plans = [draw(seed) for seed in SEEDS]
    orders = [
        [parcel.sequence for parcel in sending.parcels]
        for plan in plans
        for one in plan.rounds
        for sending in one.sendings
    ]

    assert any(order != sorted(order) for order in orders)
    assert any(parcel.variant for plan in plans for parcel in plan.parcels())
    assert any(not parcel.entries for plan in plans for parcel in plan.parcels())
    assert any(entry.is_bad for plan in plans for parcel in plan.parcels() for entry in parcel.entries)
    assert {plan.gateways for plan in plans} == {1, 2}


def test_other_clocks_change_nothing_else() -> None:
    plan = draw(4)
    other = with_clocks(plan, Clocks.PERMUTED)

    assert plan.is_calm
    assert plan.parcels() == other.parcels()
    for one, another in zip(plan.rounds, other.rounds, strict=True):
        for sending, changed in zip(one.sendings, another.sendings, strict=True):
            assert sending.parcels == changed.parcels
            assert sending.skew_seconds != changed.skew_seconds
