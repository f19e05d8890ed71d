import asyncio

from gateway.budget import ByteBudget


def test_who_finds_the_budget_empty_waits_until_enough_is_given_back() -> None:
    async def run() -> list[str]:
        budget, events = ByteBudget(10), []
        first = await budget.take(8)

        async def second() -> None:
            await budget.take(5)
            events.append("second")

        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        events.append("before")
        await budget.give_back(first)
        await waiting
        return events

    assert asyncio.run(run()) == ["before", "second"]


def test_one_holding_larger_than_the_whole_is_let_through_alone() -> None:
    async def run() -> int:
        budget = ByteBudget(10)
        taken = await budget.take(50)
        await budget.give_back(taken)
        await budget.take(10)
        return taken

    assert asyncio.run(run()) == 10
