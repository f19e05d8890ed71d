"""Single updates that came together become batches, one a source: read, normalised and looked up as one table a kind.

A table costs mostly what every table costs, so that those of thirty-four sources together cost little more than one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from adapters.entitlement import outside_of_each
from adapters.normalise import Normalised, normalise_singly, say_of_batch
from adapters.readers import check_table
from gateway import access
from gateway.lanes import Entry, Run
from gateway.typed import as_typed, holds_newer_fields, join_records, read_joined
from reconciliation.model import Batch, BatchFormat
from reconciliation.store.submissions import EPOCH, Portion, Submission

_SECOND_OF_ITS_RECORD = "DUPLICATE_IN_BATCH"


@dataclass(frozen=True)
class Prepared:
    """Those entries of a run that can land together, and what they land as."""

    entries: list[Entry]
    portion: Portion


def prepare(runs: Sequence[Run]) -> list[Prepared]:
    """What the runs land as, in their order: of each its entries but those whose record has an earlier one among them.

    Raises RejectedCallError or RejectedBatchError when one of the records cannot be read; which, it does not say.
    """
    alike: dict[object, list[int]] = {}
    for place, run in enumerate(runs):
        alike.setdefault((run.source.kind, run.entries[0].update.exported_on), []).append(place)
    prepared: dict[int, Prepared] = {}
    for places in alike.values():
        prepared |= zip(places, _prepare([runs[place] for place in places]), strict=True)
    return [prepared[place] for place in range(len(runs))]


def _prepare(runs: Sequence[Run]) -> list[Prepared]:
    """As prepare, of one kind and day."""
    payloads = [join_records([entry.update.record for entry in run.entries], kind=run.source.kind) for run in runs]
    normalised = _normalised(runs, payloads)
    second = [_second(one) for one in normalised]
    if any(second):
        first = [
            Run(run.lane, run.source, [entry for row, entry in enumerate(run.entries) if row not in repeated])
            for run, repeated in zip(runs, second, strict=True)
        ]
        return _prepare(first)
    return [
        Prepared(run.entries, _portion(run, payload, one))
        for run, payload, one in zip(runs, payloads, normalised, strict=True)
    ]


def _normalised(runs: Sequence[Run], payloads: Sequence[bytes]) -> list[Normalised]:
    """The canonical rows of each run; those about people of other provinces than it may write about are held back."""
    first, whole = runs[0], b"".join(payloads)
    raw = check_table(read_joined(whole, kind=first.source.kind), source_id=first.source.source_id)
    normalised = normalise_singly(
        raw,
        sources=[as_typed(run.source) for run in runs],
        counts=[len(run.entries) for run in runs],
        exported_on=first.entries[0].update.exported_on,
    )
    if holds_newer_fields(whole):
        normalised = [
            say_of_batch(one, "SCHEMA_NEWER") if holds_newer_fields(payload) else one
            for one, payload in zip(normalised, payloads, strict=True)
        ]
    allowed = outside_of_each(normalised, province_codes=[run.entries[0].update.about for run in runs])
    for run, before, after in zip(runs, normalised, allowed, strict=True):
        if foreign := before.table.num_rows - after.table.num_rows:
            access.note_outside(run.source.source_id, foreign, sequence=0)
    return allowed


def _second(normalised: Normalised) -> set[int]:
    """The rows whose record has an earlier one in the batch."""
    said = normalised.findings
    if _SECOND_OF_ITS_RECORD not in said["code"].to_pylist():
        return set()
    return set(said.filter(pc.equal(said["code"], _SECOND_OF_ITS_RECORD))["row"].to_pylist())


def _portion(run: Run, payload: bytes, normalised: Normalised) -> Portion:
    batch = Batch(
        source_id=run.source.source_id,
        epoch=EPOCH,
        sequence=0,  # it gets its number as it lands
        format=BatchFormat.TYPED_RECORDS,
        sha256=hashlib.sha256(payload).digest(),
        exported_on=run.entries[0].update.exported_on,
        payload=payload,
    )
    sent = [Submission(entry.update.request_id, entry.update.sha256) for entry in run.entries]
    return Portion(run.source, batch, normalised, sent)
