"""What keeps a sender and the gateway in step beside the batches: attested silence, and what differs between them."""

from datetime import datetime

from adapters.catalogue import Source
from gateway import comparing
from gateway.v1 import intake_pb2
from gateway.wire import keeping_in_step as wire
from gateway.wire.values import invalid
from gateway.workers import Workers
from reconciliation.store import attestations, batches_held

FIRST_ADVICE = comparing.cells_for(32)  # to a sender that sent no sketch yet


async def attest(
    workers: Workers, source: Source, request: intake_pb2.AttestSilenceRequest, *, now: datetime
) -> intake_pb2.AttestSilenceResponse:
    """Note the silence of `source`. Raises FIELD_INVALID or SILENCE_PREMATURE."""
    said = wire.read_attestation(request)
    due = await workers.store(
        attestations.attest,
        source=source,
        epoch=said.epoch,
        up_to_sequence=said.up_to_sequence,
        stated_at=said.stated_at,
        now=now,
    )
    return wire.write_attested(noted_at=now, expected_by=due)


async def compare(
    workers: Workers, source: Source, request: intake_pb2.CompareBatchesRequest
) -> intake_pb2.CompareBatchesResponse:
    """Hold what the sender has against the ledger; nothing is written. Raises FIELD_INVALID."""
    asked = wire.read_comparison(request)
    ledger = await workers.store(
        batches_held.read, source_id=source.source_id, epoch=asked.epoch, first=asked.first, last=asked.last
    )
    return wire.write_comparison(await workers.columns(_compare, asked, ledger))


def _compare(asked: wire.Comparison, ledger: bytes) -> wire.Compared:
    ours = comparing.read_leaves(ledger)
    root = comparing.merkle_root(ours)
    if root == asked.merkle_root:
        return wire.Compared(merkle_root=root, is_equal=True)
    if asked.sketch is None:
        return wire.Compared(merkle_root=root, advised_cells=FIRST_ADVICE)
    cells = len(asked.sketch.count)
    difference = comparing.decode(asked.sketch, comparing.sketch(ours, cells=cells))
    if difference is None or not len(difference.only_theirs) + len(difference.only_ours):
        return wire.Compared(merkle_root=root, advised_cells=min(comparing.MOST_CELLS, 4 * cells))
    return _named(asked, root, difference)


def _named(asked: wire.Comparison, root: bytes, difference: comparing.Difference) -> wire.Compared:
    theirs = {int(sequence) for sequence in difference.only_theirs[:, 0]}
    ours = {int(sequence) for sequence in difference.only_ours[:, 0]}
    if any(not asked.first <= sequence <= asked.last for sequence in theirs):
        raise invalid("sketch", "holds batches outside of what is compared")
    return wire.Compared(
        merkle_root=root,
        advised_cells=comparing.cells_for(len(theirs) + len(ours)),
        decoded=True,
        missing=tuple(sorted(theirs - ours)),
        differing=tuple(sorted(theirs & ours)),
        unknown=tuple(sorted(ours - theirs)),
    )
