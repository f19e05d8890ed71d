"""What a batch would come to, had it been sent to land: counts and findings of rows that nobody keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciliation.model import Finding

if TYPE_CHECKING:  # a client reads what a rehearsal said and has no use for the readers of every format
    from adapters.normalise import Normalised


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """What would become of a batch: `received` = `usable` + `quarantined`. Whether a record is old is not looked up."""

    received: int
    usable: int
    quarantined: int
    findings: int


def rehearse(normalised: "Normalised", *, most: int) -> tuple[Rehearsed, Sequence[Finding]]:
    """The counts of a batch and its first findings, at most `most`, in the order a receipt would have them in."""
    counts = Rehearsed(
        received=normalised.received,
        usable=normalised.table.num_rows,
        quarantined=normalised.quarantined.num_rows,
        findings=normalised.findings.num_rows,
    )
    return counts, [Finding(**one) for one in normalised.findings.slice(0, most).to_pylist()]
