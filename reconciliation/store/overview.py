"""What is where right now, in numbers: for whoever watches the house as a whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from adapters.catalogue import Source
from reconciliation.model import Following
from reconciliation.store import attestations, feed, feed_keeping, stuck
from reconciliation.store.cases import is_open
from reconciliation.store.tables import case, link


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Updates by state, the stuck ones by state and owner, open cases by (province, kind), links by province, how far
    each registry has acknowledged, and the sources asked about by whether they were heard of in time.
    """

    states: Mapping[str, int]
    stuck: Sequence[stuck.Waiting]
    cases: Mapping[tuple[str, str], int]
    links: Mapping[str, int]
    feed_head: int
    feed_lag: Sequence[Following] = ()
    taken_at: datetime | None = None
    sources: Mapping[str, int] = field(default_factory=dict)


def read(engine: sa.Engine, *, now: datetime, sources: Iterable[Source] = ()) -> Overview:
    """Count everything at `now`; `sources` are those to be heard of."""
    open_cases = sa.select(case.c.province_code, case.c.kind, sa.func.count()).where(is_open())
    links = sa.select(link.c.province_code, sa.func.count()).where(link.c.decision == "link")
    with engine.connect() as connection:
        rows = connection.execute(open_cases.group_by(case.c.province_code, case.c.kind)).all()
        linked = connection.execute(links.group_by(link.c.province_code)).all()
    return Overview(
        states=stuck.by_state(engine),
        stuck=stuck.count(engine, now=now),
        cases={(province, kind): number for province, kind, number in rows},
        links=dict(linked),
        feed_head=feed.head(engine).sequence,
        feed_lag=feed_keeping.following(engine),
        taken_at=now,
        sources=Counter(one.state.value for one in attestations.hearings(engine, sources, now=now)),
    )
