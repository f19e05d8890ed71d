"""Keeping in step with the gateway beside the batches: attesting silence, and comparing what both hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import grpc

from gateway import comparing
from gateway.agent.errors import AgentError
from gateway.agent.holdings import Key, Stock
from gateway.client.errors import translated
from gateway.v1 import intake_pb2_grpc
from gateway.wire import keeping_in_step as wire

CALL_SECONDS = 30.0
FIRST_CELLS = comparing.cells_for(32)


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What differs in one epoch, and how many calls it took to find out."""

    epoch: str
    missing: tuple[int, ...] = ()  # held here and not there
    differing: tuple[int, ...] = ()  # other bytes there than here
    unknown: tuple[int, ...] = ()  # held there and not here
    calls: int = 0

    @property
    def is_equal(self) -> bool:
        """True when both hold the same."""
        return not (self.missing or self.differing or self.unknown)


async def attest_silence(
    channel: grpc.aio.Channel, *, source_id: str, epoch: str, up_to_sequence: int, now: datetime
) -> wire.Attested:
    """Say that there is nothing to send. Raises RejectedByGatewayError SILENCE_PREMATURE, RetryableGatewayError."""
    said = wire.Attestation(epoch=epoch, up_to_sequence=up_to_sequence, stated_at=now)
    stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
    with translated():
        answer = await stub.AttestSilence(wire.write_attestation(source_id, said), timeout=CALL_SECONDS)
    return wire.read_attested(answer)


def held(stock: Stock, epoch: str) -> dict[int, bytes]:
    """Sequence → SHA-256 of every batch of an epoch: those still in the spool, and those of which a receipt is left."""
    receipted = {key[1]: bytes.fromhex(one.sha256) for key, one in stock.receipts.items() if key[0] == epoch}
    return receipted | {key[1]: entry.sha256 for key, entry in stock.entries.items() if key[0] == epoch}


async def compare(
    channel: grpc.aio.Channel, *, source_id: str, epoch: str, batches: Mapping[int, bytes], last: int
) -> Differences:
    """Hold `batches` against what is durable at the gateway until `last`.

    A range whose difference no sketch can tell is halved. Raises RejectedByGatewayError or RetryableGatewayError.
    """
    found: list[wire.Compared] = []
    calls = 0
    waiting = list(_ranges(last))
    while waiting:
        begin, end = waiting.pop()
        compared, more_calls = await _compare_range(channel, source_id, epoch, _part(batches, begin, end))
        calls += more_calls
        if compared.is_equal or compared.decoded:
            found.append(compared)
        elif begin < end:
            middle = (begin + end) // 2
            waiting += [(begin, middle), (middle + 1, end)]
        else:
            raise AgentError(
                f"The gateway's answer on batch {begin} of {epoch} makes no sense. Next: tell its operator."
            )
    return Differences(
        epoch=epoch,
        missing=tuple(sorted(number for one in found for number in one.missing)),
        differing=tuple(sorted(number for one in found for number in one.differing)),
        unknown=tuple(sorted(number for one in found for number in one.unknown)),
        calls=calls,
    )


def to_send_again(differences: Differences, stock: Stock) -> list[Key]:
    """The batches that were receipted and are not there any more: those without a receipt are on their way anyhow."""
    missing = ((differences.epoch, sequence) for sequence in differences.missing)
    return [key for key in missing if key in stock.receipts]


def _ranges(last: int) -> Iterator[tuple[int, int]]:
    for begin in range(1, last + 1, wire.MOST_COMPARED):
        yield begin, min(last, begin + wire.MOST_COMPARED - 1)


@dataclass(frozen=True)
class _Part:
    """The leaves of a range of batches."""

    begin: int
    end: int
    leaves: comparing.Leaves


def _part(batches: Mapping[int, bytes], begin: int, end: int) -> _Part:
    numbers = sorted(number for number in batches if begin <= number <= end)
    return _Part(begin, end, comparing.leaves(numbers, b"".join(batches[number] for number in numbers)))


async def _compare_range(
    channel: grpc.aio.Channel, source_id: str, epoch: str, part: _Part
) -> tuple[wire.Compared, int]:
    """The answer to a sketch that is made larger until it tells the difference or cannot grow; and how many calls."""
    stub: intake_pb2_grpc.IntakeServiceAsyncStub = intake_pb2_grpc.IntakeServiceStub(channel)
    cells, calls = FIRST_CELLS, 0
    while True:
        asked = wire.Comparison(
            epoch=epoch,
            first=part.begin,
            last=part.end,
            merkle_root=comparing.merkle_root(part.leaves),
            sketch=comparing.sketch(part.leaves, cells=cells),
        )
        with translated():
            answer = await stub.CompareBatches(wire.write_comparison_request(source_id, asked), timeout=CALL_SECONDS)
        calls += 1
        compared = wire.read_compared(answer)
        if compared.is_equal or compared.decoded or cells >= comparing.MOST_CELLS:
            return compared, calls
        larger = max(compared.advised_cells // comparing.PARTS * comparing.PARTS, cells * 2)
        cells = min(comparing.MOST_CELLS, larger)
