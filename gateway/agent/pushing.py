"""From the spool to the gateway: what has no receipt is sent, in order, until it has one or is refused for good."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import grpc

from gateway.agent.pacing import Bandwidth, Progress
from gateway.agent.receipts import KeptReceipt
from gateway.agent.segments import Entry
from gateway.agent.spool import Spool
from gateway.agent.telling import Event, Tell
from gateway.client import Answer, IntakeClient, Landed, Outgoing, Refused, RejectedByGatewayError
from gateway.client.errors import told
from gateway.wire.faults import Fault
from reconciliation.model import BatchFormat

GIVE_UP_SECONDS = 60.0
# About who sends and not about what is sent: the batch is as good as before, and waits until somebody has mended that.
ABOUT_THE_SENDER = frozenset(
    {
        "SOURCE_UNKNOWN",
        "NOT_ENTITLED",
        "IDENTITY_REQUIRED",
        "IDENTITY_INVALID",
        "CERTIFICATE_REVOKED",
        "SIGNATURE_REQUIRED",
        "SIGNATURE_INVALID",
    }
)
ROUND = 256  # batches of one push; then what was added meanwhile is looked at


@dataclass(kw_only=True)
class Pusher:
    """Sends the batches of one spool. `client_options` go to the client as they are, such as a signer."""

    spool: Spool
    bandwidth: Bandwidth
    progress: Progress
    tell: Tell
    window: int = 4
    give_up_seconds: float = GIVE_UP_SECONDS
    client_options: Mapping[str, Any] = field(default_factory=dict)
    after_each: Callable[[], None] = lambda: None

    async def push_round(self, channel: grpc.aio.Channel) -> int:
        """Send what is pending, at most ROUND batches; returns how many were answered.

        Raises RetryableGatewayError when the gateway stays away, RejectedByGatewayError when the source may not send.
        """
        waiting = self.spool.pending()[:ROUND]
        answered = 0
        for epoch, entries in groupby(waiting, key=lambda entry: entry.epoch):
            answered += await self._push_epoch(channel, epoch, list(entries))
        return answered

    async def _push_epoch(self, channel: grpc.aio.Channel, epoch: str, entries: Sequence[Entry]) -> int:
        client = IntakeClient(channel, give_up_seconds=self.give_up_seconds, **self.client_options)
        by_sequence = {entry.sequence: entry for entry in entries}
        pushing = client.push(
            self._outgoing(entries),
            source_id=self.spool.source_id,
            epoch=epoch,
            window=self.window,
            skip_durable=False,  # a batch that is durable there and has no receipt here is asked for its receipt
        )
        answered = 0
        async with aclosing(pushing) as answers:
            async for answer in answers:
                self._keep(by_sequence[answer.sequence], answer)
                answered += 1
                self.after_each()
        return answered

    async def _outgoing(self, entries: Sequence[Entry]) -> AsyncIterator[Outgoing]:
        for entry in entries:
            payload = self.spool.read(entry)
            if payload is None:
                self._tell(
                    "damage",
                    f"Lô {entry.sequence} bị hỏng trên đĩa, không gửi được",
                    f"batch {entry.sequence} is damaged on disk and cannot be sent",
                    sequence=entry.sequence,
                )
                continue
            await self.bandwidth.take(len(payload))
            yield Outgoing(
                sequence=entry.sequence,
                payload=payload,
                format=BatchFormat(entry.format),
                exported_on=entry.exported_on,
                record_count=entry.record_count,
            )

    def _keep(self, entry: Entry, answer: Answer) -> None:
        match answer:
            case Landed():
                receipt = kept(answer)
                self.spool.receive(receipt)
                self.progress.landed(entry.size)
                counts = (receipt.received, receipt.accepted, receipt.superseded, receipt.quarantined)
                self._tell(
                    "landed",
                    "Lô {}: nhận {}, dùng {}, cũ hơn {}, tạm giữ {}".format(entry.sequence, *counts),
                    "batch {}: received {}, accepted {}, superseded {}, quarantined {}".format(entry.sequence, *counts),
                    sequence=entry.sequence,
                    receipt_id=receipt.receipt_id,
                    replayed=receipt.replayed,
                )
            case Refused():
                self._refuse(entry, answer.fault)
            case _:
                raise TypeError("a push that is no rehearsal gets receipts and refusals only")

    def _refuse(self, entry: Entry, fault: Fault) -> None:
        if fault.reason in ABOUT_THE_SENDER or fault.retry_seconds is not None:
            raise RejectedByGatewayError(fault)
        suffix = entry.origin[entry.origin.rfind(".") :] if "." in entry.origin[-9:] else ""
        said = told(fault)
        self.spool.refuse(
            entry, reason=fault.reason, vi=fault.vi, en=said, suffix=suffix if suffix[1:].isalnum() else ""
        )
        self._tell(
            "refused",
            f"Lô {entry.sequence} ({entry.origin}) bị từ chối: {fault.vi}",
            f"batch {entry.sequence} was refused: {said}",
            sequence=entry.sequence,
            reason=fault.reason,
        )

    def _tell(self, event: str, vi: str, en: str, **facts: object) -> None:
        self.tell(Event(source_id=self.spool.source_id, event=event, vi=vi, en=en, facts=facts))


def kept(answer: Landed) -> KeptReceipt:
    """A receipt as it is kept on disk."""
    receipt = answer.receipt
    return KeptReceipt(
        source_id=receipt.source_id,
        epoch=receipt.epoch,
        sequence=receipt.sequence,
        sha256=receipt.sha256.hex(),
        receipt_id=str(receipt.receipt_id),
        received=receipt.received,
        accepted=receipt.accepted,
        superseded=receipt.superseded,
        quarantined=receipt.quarantined,
        findings=receipt.findings,
        landed_at=receipt.landed_at.isoformat(),
        replayed=receipt.replayed,
        signature=str(getattr(answer, "signature", "")),  # the client has verified it, where it was told to
    )
