"""Ours as a script like the peers': a model taught on the records, or read with `--saved`, and every pair weighed."""

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reconciliation.clustering import cluster, open_questions
from reconciliation.deciding import link_pool
from reconciliation.pooling import Pool, pooled
from reconciliation.teaching import teach_pool
from reconciliation.weights import load_model, save_model
from tests.benchmarks.peers.running import Stopwatch, report, run

_FROM = -12.0  # the peers' pairs are kept from the same weight
_VETOED = 30.0  # what a veto takes off, where pairs are put in one order


def main(chosen: argparse.Namespace) -> None:
    """Teach, or load, and decide; then cluster and write all that was weighed, outside the stages timed."""
    watch, records = Stopwatch(), pq.read_table(chosen.records)
    with ExitStack() as held:
        with watch.stage("compare"):
            pool = held.enter_context(pooled(records))
        with watch.stage("teach"):
            model = load_model(chosen.model) if chosen.saved else teach_pool(pool, seed=chosen.seed)
        with watch.stage("decide"):
            linked = link_pool(pool, model=model)
        pairs = pool.connection.sql("select count(*) from compared").fetchall()[0][0]
        report(watch, pairs=pairs, upper=model.upper, keep=model.keep, lower=model.lower)
        if chosen.saved:
            return
        save_model(model, chosen.model)
        _write_found(pool, chosen.pairs.with_suffix(".found.parquet"))
        weighed = link_pool(pool, model=replace(model, lower=_FROM, keep=max(_FROM, model.keep))).decisions
    _write_weighed(weighed, chosen.pairs)
    clustered = cluster(records["record_key"], linked.links, apart=linked.apart, numbers=linked.numbers)
    questions = open_questions(linked.decisions, clustered.assignment)
    pq.write_table(clustered.assignment, chosen.pairs.with_suffix(".subjects.parquet"))
    pq.write_table(questions.select(["left_key", "right_key"]), chosen.pairs.with_suffix(".cases.parquet"))


def _write_found(pool: Pool, path: Path) -> None:
    """Write the keys of every pair that blocking made."""
    pool.connection.execute(
        f"copy (select l.record_key as left_key, r.record_key as right_key from compared "
        f"join candidates as l on l.row = one join candidates as r on r.row = other) to '{path}' (format parquet)"
    )


def _write_weighed(decisions: pa.Table, path: Path) -> None:
    vetoed = pc.is_valid(decisions["veto"])
    weight = pc.if_else(vetoed, pc.subtract(decisions["weight"], _VETOED), decisions["weight"])
    pq.write_table(decisions.select(["left_key", "right_key"]).append_column("weight", weight), path)


if __name__ == "__main__":
    run(main, __doc__)
