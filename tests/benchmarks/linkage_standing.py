"""Linkage of what stands: one new record against all of it, and a delta of one per cent beside the whole again.

Both on a PostgreSQL of their own, from what the store holds to what it holds afterwards, writing included.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation import inquiring
from reconciliation.deciding import PAIRS
from reconciliation.incremental import Judged, Renewal, Renewed, link_whole, renew
from reconciliation.matching import matcher
from reconciliation.store import embedded, postings
from reconciliation.store.engine import Engine, connect, migrate
from reconciliation.weights import Model

_PROVINCE = "25"
_NONE = PAIRS.empty_table()
_UNJUDGED = Judged(joined=_NONE, parted=_NONE, standing=_NONE)
_ALWAYS = Renewal(fewest_records=0, most_changed=1.0)
_ASKED, _WARM = 400, 20
_SHARE = 0.01  # of the records: a third are new, a third changed, a third withdrawn


def measure(records: pa.Table, model: Model, folder: Path, *, seed: int) -> dict[str, Any]:
    """The figures of one pool (candidates.RECORDS)."""
    before, after = _delta(records, np.random.default_rng([seed, 10]))
    with _store(folder) as engine:
        first_s, _ = _timed(engine, before, model, is_whole=True)
        delta_s, renewed = _timed(engine, after, model, is_whole=False)
        assert not renewed.is_whole
        taken = _one_by_one(engine, after, model, np.random.default_rng([seed, 11]))
        whole_s, _ = _timed(engine, after, model, is_whole=True)
        figures = {
            "one_record_p50_ms": round(1000 * float(np.quantile(taken, 0.5)), 2),
            "one_record_p95_ms": round(1000 * float(np.quantile(taken, 0.95)), 2),
            "delta_share": round(delta_s / whole_s, 4),
            "delta_s": round(delta_s, 2),
            "whole_again_s": round(whole_s, 2),
            "whole_first_s": round(first_s, 2),
            "delta_records": renewed.indexed.num_rows + len(renewed.gone),
        }
    print(f"standing: {figures}", flush=True)
    return figures


def _delta(records: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """The pool before and after: new, changed (a birth day comes to light) and withdrawn records."""
    chosen = rng.permutation(records.num_rows)[: max(3, int(records.num_rows * _SHARE))]
    new, changed, withdrawn = (np.isin(np.arange(records.num_rows), part) for part in np.array_split(chosen, 3))
    place = records.schema.get_field_index("birth_day")
    day = pc.if_else(pa.array(changed), pa.scalar(None, pa.int8()), records["birth_day"])
    before = records.set_column(place, records.schema.field("birth_day"), day)
    return before.filter(pa.array(~new)), records.filter(pa.array(~withdrawn))


@contextmanager
def _store(folder: Path) -> Iterator[Engine]:
    with embedded.running(folder / "standing") as server:
        url = server.create_database("bench")
        migrate(url)
        engine = connect(url, pool_size=2, statement_seconds=600)
        yield engine
        engine.dispose()


def _timed(engine: Engine, records: pa.Table, model: Model, *, is_whole: bool) -> tuple[float, Renewed]:
    began = time.perf_counter()
    with engine.begin() as connection:
        if is_whole:
            renewed = link_whole(records, model=model, judged=_UNJUDGED)
        else:
            held = postings.held(connection, _PROVINCE)
            renewed = renew(records, held, model=model, judged=_UNJUDGED, renewal=_ALWAYS)
        postings.write_linkage(connection, renewed, province_code=_PROVINCE, now=datetime.now(UTC))
    return time.perf_counter() - began, renewed


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
