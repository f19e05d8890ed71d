"""The messages of AttestSilence and CompareBatches ◄─► values."""

import re
from dataclasses import dataclass
from datetime import datetime

from gateway import comparing
from gateway.v1 import intake_pb2
from gateway.wire.values import invalid, read_time, write_time

MOST_COMPARED = 1_000_000  # sequences in one comparison
_EPOCH = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LARGEST_SEQUENCE = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """A sender's word that nothing was made after batch `up_to_sequence`; `stated_at` is its own clock."""

    epoch: str
    up_to_sequence: int
    stated_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Attested:
    """The gateway's answer, by its own clock."""

    noted_at: datetime
    expected_by: datetime


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a sender holds of the batches `first` to `last`."""

    epoch: str
    first: int
    last: int
    merkle_root: bytes
    sketch: comparing.Sketch | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What differs; the three lists are complete when `is_equal` or `decoded`."""

    merkle_root: bytes
    is_equal: bool = False
    decoded: bool = False
    advised_cells: int = 0
    missing: tuple[int, ...] = ()
    differing: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


def read_attestation(message: intake_pb2.AttestSilenceRequest) -> Attestation:
    """What a sender attests. Raises FIELD_INVALID."""
    if message.up_to_sequence > _LARGEST_SEQUENCE:
        raise invalid("up_to_sequence", "is beyond the largest sequence")
    return Attestation(
        epoch=_read_epoch(message.epoch),
        up_to_sequence=message.up_to_sequence,
        stated_at=read_time(message.stated_at) if message.HasField("stated_at") else None,
    )


def write_attestation(source_id: str, attestation: Attestation) -> intake_pb2.AttestSilenceRequest:
    """An attestation as a sender sends it."""
    return intake_pb2.AttestSilenceRequest(
        source_id=source_id,
        epoch=attestation.epoch,
        up_to_sequence=attestation.up_to_sequence,
        stated_at=write_time(attestation.stated_at) if attestation.stated_at else None,
    )


def write_attested(*, noted_at: datetime, expected_by: datetime) -> intake_pb2.AttestSilenceResponse:
    """The answer to an attestation."""
    return intake_pb2.AttestSilenceResponse(noted_at=write_time(noted_at), expected_by=write_time(expected_by))


def read_attested(message: intake_pb2.AttestSilenceResponse) -> Attested:
    """The answer to an attestation, as a sender was told it."""
    return Attested(noted_at=read_time(message.noted_at), expected_by=read_time(message.expected_by))


def read_comparison(message: intake_pb2.CompareBatchesRequest) -> Comparison:
    """What a sender wants compared. Raises FIELD_INVALID."""
    first, last = message.first_sequence, message.last_sequence
    if not 0 < first <= last <= _LARGEST_SEQUENCE or last - first >= MOST_COMPARED:
        raise invalid("last_sequence", f"has to be at most {MOST_COMPARED} batches from a first_sequence of 1 or more")
    if len(message.merkle_root) != 32:
        raise invalid("merkle_root", "has to be 32 bytes")
    try:
        sketch = comparing.read_sketch(message.sketch) if message.sketch else None
    except ValueError as error:
        raise invalid("sketch", f"cannot be read: {error}") from error
    return Comparison(
        epoch=_read_epoch(message.epoch), first=first, last=last, merkle_root=message.merkle_root, sketch=sketch
    )


def write_comparison_request(source_id: str, comparison: Comparison) -> intake_pb2.CompareBatchesRequest:
    """A comparison as a sender asks for it."""
    return intake_pb2.CompareBatchesRequest(
        source_id=source_id,
        epoch=comparison.epoch,
        first_sequence=comparison.first,
        last_sequence=comparison.last,
        merkle_root=comparison.merkle_root,
        sketch=comparing.write_sketch(comparison.sketch) if comparison.sketch else b"",
    )


def write_comparison(compared: Compared) -> intake_pb2.CompareBatchesResponse:
    """The answer to a comparison."""
    return intake_pb2.CompareBatchesResponse(
        equal=compared.is_equal,
        merkle_root=compared.merkle_root,
        decoded=compared.decoded,
        advised_cells=compared.advised_cells,
        missing=compared.missing,
        differing=compared.differing,
        unknown=compared.unknown,
    )


def read_compared(message: intake_pb2.CompareBatchesResponse) -> Compared:
    """The answer to a comparison, as a sender was told it."""
    return Compared(
        merkle_root=message.merkle_root,
        is_equal=message.equal,
        decoded=message.decoded,
        advised_cells=message.advised_cells,
        missing=tuple(message.missing),
        differing=tuple(message.differing),
        unknown=tuple(message.unknown),
    )


def _read_epoch(text: str) -> str:
    if not _EPOCH.fullmatch(text):
        raise invalid("epoch", "has to be 1 to 64 of A-Z a-z 0-9 . _ -")
    return text
