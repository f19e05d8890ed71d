"""The background task that keeps the gauges true: what waits, what is late, whose it is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from observability import metrics
from observability.metrics import Gauge
from reconciliation.errors import RetryableStoreError
from reconciliation.model import Following
from reconciliation.store.overview import Overview

Labels = tuple[tuple[str, str], ...]
Shown = set[tuple[str, Labels]]


async def run_watch(
    read: Callable[[], Awaitable[Overview | None]],
    *,
    interval_seconds: float,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Show what `read` tells every `interval_seconds` until cancelled. While the store is silent, nothing changes.

    It tells None where another process shows it: each figure is shown once.
    """
    shown: Shown = set()
    while True:
        with suppress(RetryableStoreError):  # the sequencer tells of it, and health shows it
            overview = await read()
            shown = show(overview, shown) if overview else shown
        await pause(interval_seconds)


def show(overview: Overview, before: Shown) -> Shown:
    """Set every gauge; those shown `before` and no longer there become 0. Returns what is shown now."""
    metrics.FEED_HEAD.set(overview.feed_head)
    now: Shown = set()
    for gauge, values in _figures(overview):
        for labels, value in values.items():
            gauge.set(value, **dict(labels))
            now.add((gauge.name, labels))
    gauges = {gauge.name: gauge for gauge, _ in _figures(overview)}
    for name, labels in before - now:
        gauges[name].set(0, **dict(labels))
    return now


def _figures(overview: Overview) -> list[tuple[Gauge, Mapping[Labels, float]]]:
    followers = {(("consumer_id", one.consumer_id),): one for one in overview.feed_lag}
    return [
        (metrics.SOURCES, {(("state", state),): number for state, number in overview.sources.items()}),
        (metrics.UPDATES, {(("state", state),): number for state, number in overview.states.items()}),
        (metrics.UPDATES_STUCK, {(("owner", row.owner), ("state", row.state)): row.updates for row in overview.stuck}),
        (metrics.FEED_CURSOR, {labels: one.acknowledged for labels, one in followers.items()}),
        (metrics.LINKS, {(("province_code", province),): number for province, number in overview.links.items()}),
        (
            metrics.CASES_OPEN,
            {
                (("province_code", province), ("case_kind", kind)): number
                for (province, kind), number in overview.cases.items()
            },
        ),
        (metrics.FEED_LAG, {labels: one.behind for labels, one in followers.items()}),
        (metrics.FEED_LAG_SECONDS, {labels: _waited(one, overview) for labels, one in followers.items()}),
        (metrics.FEED_EXPIRED, {labels: int(one.is_expired) for labels, one in followers.items()}),
    ]


def _waited(one: Following, overview: Overview) -> float:
    if one.waiting_since is None or overview.taken_at is None:
        return 0.0
    return max(0.0, (overview.taken_at - one.waiting_since).total_seconds())
