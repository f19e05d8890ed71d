"""Weighed pairs against a truth: the best that any threshold could make of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_HIGH_PRECISION = 0.998


@dataclass(frozen=True)
class Truth:
    """`table` has record_key, person and delivery (one for twins)."""

    table: pa.Table

    @cached_property
    def pairs(self) -> int:
        """Pairs of records of one person."""
        return _pairs(self.table, ["person"])

    def same(self, pairs: pa.Table) -> npt.NDArray[np.bool_]:
        """Whether each pair (left_key, right_key) is one person."""
        left, right = (self._of(pairs[column]) for column in ("left_key", "right_key"))
        return np.asarray(left == right)

    def found(self, pairs: pa.Table) -> int:
        """True pairs among the given ones."""
        return int(self.same(pairs).sum())

    def twins_merged(self, subjects: pa.Table) -> int:
        """Pairs of records of twins that have one subject (record_key, subject_id)."""
        joined = subjects.join(self.table, "record_key")
        return _pairs(joined, ["subject_id", "delivery"]) - _pairs(joined, ["subject_id", "person"])

    def _of(self, keys: pa.ChunkedArray) -> npt.NDArray[np.int64]:
        at = pc.index_in(keys, value_set=self.table["record_key"].combine_chunks())
        return self.table["person"].take(at.combine_chunks()).to_numpy()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Curve:
    """The best point over all thresholds. `errors` are false links and true pairs missed, blocking's included."""

    best_f1: float
    errors: int
    recall_at_p998: float
    found: int

    def figures(self) -> dict[str, float]:
        """For the report."""
        return {
            "best_f1": round(self.best_f1, 4),
            "errors": self.errors,
            "recall_at_p998": round(self.recall_at_p998, 4),
        }


def curve(pairs: pa.Table, truth: Truth) -> Curve:
    """The curve of (left_key, right_key, weight); pairs of one weight stand or fall together."""
    weight = pairs["weight"].to_numpy()
    order = np.argsort(-weight, kind="stable")
    right = np.cumsum(truth.same(pairs)[order])
    made = np.arange(1, len(order) + 1)
    whole = np.append(weight[order][1:] != weight[order][:-1], True)
    right, made = right[whole], made[whole]
    precision, recall = right / made, right / truth.pairs
    f1 = 2 * right / (made + truth.pairs)
    best = int(f1.argmax())
    trusted = recall[precision >= _HIGH_PRECISION]
    return Curve(
        best_f1=float(f1[best]),
        errors=int(made[best] + truth.pairs - 2 * right[best]),
        recall_at_p998=float(trusted.max(initial=0.0)),
        found=int(right[-1]) if len(right) else 0,
    )


def _pairs(table: pa.Table, columns: list[str]) -> int:
    counts = table.group_by(columns).aggregate([([], "count_all")])["count_all"]
    return int(pc.sum(pc.divide(pc.multiply(counts, pc.subtract(counts, 1)), 2)).as_py() or 0)
