"""Threads for what would hold up the event loop: calls to the store, and work on whole columns."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from reconciliation.store.engine import Engine

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Workers:
    """Two pools of fixed size: a full one makes callers wait, and so the senders behind them.

    Cancelling a wait does not stop the call, unless it is one that gateway.calls bounds: what it commits stays
    committed, and its sender asks again.
    """

    engine: Engine
    store_pool: ThreadPoolExecutor = field(repr=False)
    column_pool: ThreadPoolExecutor = field(repr=False)

    async def store(
        self,
        function: Callable[Concatenate[Engine, _Arguments], _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        """Call a function of the store, which takes the engine first."""
        return await _run(self.store_pool, partial(function, self.engine, *arguments, **named))

    async def columns(
        self, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Call a function that works on columns and needs no store."""
        return await _run(self.column_pool, partial(function, *arguments, **named))

    def shutdown(self) -> None:
        """Wait for what is running and stop."""
        self.column_pool.shutdown(cancel_futures=True)
        self.store_pool.shutdown(cancel_futures=True)


def start(engine: Engine, *, store_threads: int, column_threads: int) -> Workers:
    """The workers of one gateway."""
    return Workers(
        engine=engine,
        store_pool=ThreadPoolExecutor(store_threads, thread_name_prefix="store"),
        column_pool=ThreadPoolExecutor(column_threads, thread_name_prefix="columns"),
    )


async def _run(pool: ThreadPoolExecutor, call: Callable[[], _Result]) -> _Result:
    context = contextvars.copy_context()  # so that spans opened in the thread know the one that is open here
    return await asyncio.get_running_loop().run_in_executor(pool, context.run, call)
