"""Linkage of what stands: one new record against all of it, and a delta of one per cent beside the whole again.

Both on a PostgreSQL of their own, from what the store holds to what it holds afterwards, writing included; the records
lie in memory. `delta_share` is of a delta that is given; `delta_in_a_run_share` of one that a run finds in the whole
pool, every decision that stands included, as the stages after linkage take them. A delta meets tables that PostgreSQL
has vacuumed since the whole was written, as it does by itself within minutes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from reconciliation import inquiring
from reconciliation.deciding import PAIRS
from reconciliation.incremental import Renewal, Upkeep, link_delta, link_whole, renew
from reconciliation.matching import matcher
from reconciliation.nearby import Delta, Held, Judged
from reconciliation.persons import PERSONS
from reconciliation.store import embedded, postings, statistics
from reconciliation.store.engine import Engine, connect, migrate
from reconciliation.weights import Model

_PROVINCE = "25"
_NONE = PAIRS.empty_table()
_UNJUDGED = Judged(joined=_NONE, parted=_NONE, standing=_NONE)
_ALWAYS = Renewal(fewest_records=0, most_changed=1.0)
_PATIENT = sa.text("SET LOCAL idle_in_transaction_session_timeout = 0")  # linking the whole is idling, to the store
_ASKED, _WARM = 400, 20
_SHARE = 0.01  # of the records: a third are new, a third changed, a third withdrawn


def measure(records: pa.Table, model: Model, folder: Path, *, seed: int) -> dict[str, Any]:
    """The figures of one pool (candidates.RECORDS)."""
    first, then = (_Change.draw(records, np.random.default_rng([seed, at])) for at in (10, 12))
    with _store(folder) as engine:
        first_s = _timed(engine, lambda _: link_whole(first.before, model=model, judged=_UNJUDGED).upkeep, is_new=True)
        _vacuum(engine)
        delta_s = _timed(engine, lambda held: _linked(held, first, model))
        taken = _one_by_one(engine, first.after, model, np.random.default_rng([seed, 11]))
        _timed(engine, lambda _: link_whole(then.before, model=model, judged=_UNJUDGED).upkeep)
        _vacuum(engine)
        found_s = _timed(engine, lambda held: _renewed(held, then, model))
        whole_s = _timed(engine, lambda _: link_whole(then.after, model=model, judged=_UNJUDGED).upkeep)
        figures = {
            "one_record_p50_ms": round(1000 * float(np.quantile(taken, 0.5)), 2),
            "one_record_p95_ms": round(1000 * float(np.quantile(taken, 0.95)), 2),
            "delta_share": round(delta_s / whole_s, 4),
            "delta_s": round(delta_s, 3),
            "delta_in_a_run_share": round(found_s / whole_s, 4),
            "delta_in_a_run_s": round(found_s, 3),
            "whole_again_s": round(whole_s, 2),
            "whole_first_s": round(first_s, 2),
            "delta_records": first.came.num_rows + len(first.gone),
        }
    print(f"standing: {figures}", flush=True)
    return figures


@dataclass(frozen=True)
class _Change:
    """A pool before and after: records that are new, changed (a birth day comes to light) and withdrawn."""

    before: pa.Table
    after: pa.Table
    came: pa.Table  # new or changed
    gone: pa.Array

    @staticmethod
    def draw(records: pa.Table, rng: np.random.Generator) -> "_Change":
        chosen = rng.permutation(records.num_rows)[: max(3, int(records.num_rows * _SHARE))]
        new, changed, withdrawn = (np.isin(np.arange(records.num_rows), part) for part in np.array_split(chosen, 3))
        place = records.schema.get_field_index("birth_day")
        day = pc.if_else(pa.array(changed), pa.scalar(None, pa.int8()), records["birth_day"])
        before = records.set_column(place, records.schema.field("birth_day"), day)
        return _Change(
            before=before.filter(pa.array(~new)),
            after=records.filter(pa.array(~withdrawn)),
            came=records.filter(pa.array(new | changed)),
            gone=records["record_key"].filter(pa.array(withdrawn)).combine_chunks(),
        )


def _linked(held: Held | None, change: _Change, model: Model) -> Upkeep:
    """What came, linked against what stands."""

    def beside(record_keys: pa.Array) -> pa.Table:
        return change.after.filter(pc.is_in(change.after["record_key"], value_set=record_keys))

    assert held is not None
    delta = Delta.given(change.came, change.gone, PERSONS)
    return link_delta(delta, held, beside, model=model, judged=_UNJUDGED)


def _renewed(held: Held | None, change: _Change, model: Model) -> Upkeep:
    """What came, found in the whole pool, and every decision that stands then: as a run has it."""
    renewed = renew(change.after, held, model=model, judged=_UNJUDGED, renewal=_ALWAYS)
    assert not renewed.upkeep.is_whole
    return renewed.upkeep


@contextmanager
def _store(folder: Path) -> Iterator[Engine]:
    with embedded.running(folder / "standing") as server:
        url = server.create_database("bench")
        migrate(url)
        engine = connect(url, pool_size=2, statement_seconds=600)
        yield engine
        engine.dispose()


def _vacuum(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM"))


def _timed(engine: Engine, link: Callable[[Held | None], Upkeep], *, is_new: bool = False) -> float:
    """Seconds from what is held to what is held afterwards, tables counted anew where a run does so."""
    began = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(_PATIENT)
        held = postings.held(connection, _PROVINCE)
        postings.write_linkage(connection, link(held), province_code=_PROVINCE, now=datetime.now(UTC))
    statistics.renew(engine, is_province_new=is_new)
    return time.perf_counter() - began


def _one_by_one(engine: Engine, records: pa.Table, model: Model, rng: np.random.Generator) -> list[float]:
    """Seconds that each of some records took to find its candidates, as if it were new."""
    taken = []
    asked = records.take(pa.array(rng.choice(records.num_rows, min(records.num_rows, _ASKED + _WARM), replace=False)))
    with matcher(model) as ready, engine.connect() as connection:
        for place in range(asked.num_rows):
            began = time.perf_counter()
            inquiring.match_with(connection, asked.slice(place, 1), ready, province_code=_PROVINCE)
            taken.append(time.perf_counter() - began)
    return taken[_WARM:]
