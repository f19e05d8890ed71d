"""How right an assignment is, against a truth that linkage itself never sees."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts of pairs of records. A pair is predicted when both have one subject, true when both are one person."""

    predicted: int
    true: int
    right: int  # predicted and true

    @property
    def precision(self) -> float:
        """Share of the predicted pairs that are true; 1 when none was predicted."""
        return self.right / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were predicted; 1 when there is none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def evaluate(assignment: pa.Table, truth: pa.Table) -> Score:
    """Pairwise score over the records that both tables hold.

    `assignment` has record_key and subject_id, `truth` has record_key and person (any type); keys are unique.
    """
    both = assignment.select(["record_key", "subject_id"]).join(
        truth.select(["record_key", "person"]), keys="record_key", join_type="inner"
    )
    return Score(
        predicted=_pairs(both, ["subject_id"]),
        true=_pairs(both, ["person"]),
        right=_pairs(both, ["subject_id", "person"]),
    )


def _pairs(table: pa.Table, columns: list[str]) -> int:
    counts = table.group_by(columns).aggregate([([], "count_all")])["count_all"]
    return int(pc.sum(pc.divide(pc.multiply(counts, pc.subtract(counts, 1)), 2)).as_py() or 0)
