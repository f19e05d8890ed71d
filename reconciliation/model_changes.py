"""Two models and a pool ──► what the second would change, before it is used. Counts and levels, nobody's data."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.clustering import cluster
from reconciliation.deciding import PAIRS, Linked, link_pool
from reconciliation.pooling import Pool
from reconciliation.weights import Model

_NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class LevelChange:
    """One level that weighs something else."""

    comparison: str
    level: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class PairChange:
    """How many pairs go from one decision to another: "link", "case" or "nothing"."""

    before: str
    after: str
    pairs: int


@dataclass(frozen=True, kw_only=True)
class ModelChange:
    """What a model changes against another. Pairs and subjects are empty and 0 where no pool was looked at."""

    before: str
    after: str
    thresholds: dict[str, tuple[float, float]]  # base, upper, keep, lower: before and after
    levels: tuple[LevelChange, ...]  # the largest change first
    records: int = 0
    pairs: tuple[PairChange, ...] = ()  # of pairs that either decides; those that stay as they are included
    subjects_before: int = 0
    subjects_after: int = 0
    records_moved: int = 0  # records that would have another subject

    @property
    def links_lost(self) -> int:
        """Links that the new model would not make."""
        return sum(change.pairs for change in self.pairs if change.before == "link" and change.after != "link")

    @property
    def links_before(self) -> int:
        """Links that the old model makes."""
        return sum(change.pairs for change in self.pairs if change.before == "link")


def compare_models(
    before: Model, after: Model, *, pool: Pool | None = None, standing: pa.Table | None = None
) -> ModelChange:
    """The weights and thresholds that differ, and of a pool the decisions and subjects that would.

    `standing` are the links that stand (deciding.PAIRS): the new model keeps them as it would in a run.
    """
    thresholds = {
        name: (getattr(before, name), getattr(after, name))
        for name in ("base", "upper", "keep", "lower")
        if getattr(before, name) != getattr(after, name)
    }
    change = ModelChange(
        before=before.name,
        after=after.name,
        thresholds=thresholds,
        levels=tuple(sorted(_levels(before, after), key=lambda one: (-abs(one.after - one.before), one.comparison))),
    )
    if pool is None:
        return change
    was = link_pool(pool, model=before)
    made = was.decisions.filter(pc.equal(was.decisions["decision"], "link")).select(PAIRS.names)
    becomes = link_pool(pool, model=after, standing=made if standing is None else standing)
    keys = pool.connection.sql("select record_key from candidates order by row").to_arrow_table()["record_key"]
    one = cluster(keys, was.links, apart=was.apart, numbers=was.numbers)
    other = cluster(keys, becomes.links, apart=becomes.apart, numbers=becomes.numbers, previous=one.assignment)
    return ModelChange(
        **{name: getattr(change, name) for name in ("before", "after", "thresholds", "levels")},
        records=pool.records,
        pairs=tuple(_pairs(was, becomes)),
        subjects_before=pc.count_distinct(one.assignment["subject_id"]).as_py(),
        subjects_after=pc.count_distinct(other.assignment["subject_id"]).as_py(),
        records_moved=pc.sum(other.moves["records"]).as_py() or 0,
    )


def save_change(change: ModelChange, path: Path) -> None:
    """Write the comparison as JSON beside the model it judges."""
    path.write_text(json.dumps(asdict(change), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _levels(before: Model, after: Model) -> Iterator[LevelChange]:
    held = {(one.comparison, level.level): level.weight for one in before.comparisons for level in one.levels}
    for weights in after.comparisons:
        for level in weights.levels:
            was = held.get((weights.comparison, level.level), 0.0)
            if was != level.weight:
                yield LevelChange(comparison=weights.comparison, level=level.level, before=was, after=level.weight)


def _pairs(was: Linked, becomes: Linked) -> Iterator[PairChange]:
    columns = [*PAIRS.names, "decision"]
    joined = was.decisions.select(columns).join(
        becomes.decisions.select(columns), PAIRS.names, join_type="full outer", right_suffix="_after"
    )
    counted = (
        pa.table(
            {
                "before": pc.fill_null(joined["decision"], _NOTHING),
                "after": pc.fill_null(joined["decision_after"], _NOTHING),
            }
        )
        .group_by(["before", "after"])
        .aggregate([([], "count_all")])
        .sort_by([("before", "ascending"), ("after", "ascending")])
    )
    for row in counted.to_pylist():
        yield PairChange(before=row["before"], after=row["after"], pairs=row["count_all"])
