"""Reconciliation of what intake has landed: each province once, then again with nothing to do."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from adapters.canonical import RecordKind
from reconciliation import jobs
from reconciliation.store import feed
from reconciliation.store.engine import Engine
from tests.benchmarks.measuring import Line

PROVINCES = ["01", "15", "68"]


def reconcile(engine: Engine) -> Iterator[Line]:
    """Each province once, then again with nothing to do."""
    for what in ("reconcile: first run", "reconcile: again, nothing new"):
        began, records = time.perf_counter(), 0
        for province_code in PROVINCES:
            counts = jobs.reconcile_records(engine, province_code=province_code, now=datetime.now(UTC))
            records += sum(counts[f"records.{kind}"] for kind in RecordKind)
        seconds = time.perf_counter() - began
        yield (what, records / seconds, f"{records:,} standing records in {seconds:.1f} s")
    feed.sequence(engine)
