"""Finished spans ──► a file or a collector, on a thread of their own behind a bounded queue that drops and counts."""

import json
import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from observability import metrics
from observability.errors import FatalObservabilityError

QUEUE_SPANS = 4096
_SHUTDOWN_SECONDS = 3.0
_BATCH_SPANS = 256
_SCHEDULE_MILLISECONDS = 200


class BoundedSpanProcessor(SpanProcessor):
    """Hands spans to `exporter` on another thread; at most `queue_spans` wait, further ones are dropped and counted.

    The thread that ends a span only counts and appends: it never waits for the exporter.
    """

    def __init__(self, exporter: SpanExporter, *, name: str, queue_spans: int = QUEUE_SPANS) -> None:
        self.name = name
        self._limit = queue_spans
        self._lock = threading.Lock()
        self._waiting = 0
        self._dropped = 0
        self._failed = 0
        self._counting = _Counting(exporter, self)
        self._batches = BatchSpanProcessor(
            self._counting,
            max_queue_size=queue_spans,
            schedule_delay_millis=_SCHEDULE_MILLISECONDS,
            max_export_batch_size=min(_BATCH_SPANS, queue_spans),
        )

    @property
    def dropped(self) -> int:
        """Spans that found the queue full, and never left."""
        return self._dropped

    @property
    def failed(self) -> int:
        """Spans the far end did not take."""
        return self._failed

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: only finished spans are seen."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop it when the queue is full."""
        if not span.context.trace_flags.sampled:
            return
        with self._lock:
            if self._waiting >= self._limit:
                self._dropped += 1
                metrics.SPANS_DROPPED.add(exporter=self.name)
                return
            self._waiting += 1
        self._batches.on_end(span)

    def settle(self, count: int, *, exported: bool) -> None:
        """Make room for `count` spans that the exporter has dealt with."""
        with self._lock:
            self._waiting -= count
            if not exported:
                self._failed += count
                metrics.SPANS_FAILED.add(count, exporter=self.name)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what waits, on the calling thread."""
        return self._batches.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Export what can be exported in a few seconds, give up the rest and stop the thread."""
        self._counting.give_up_at = time.monotonic() + _SHUTDOWN_SECONDS
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # the SDK left this one bare


class _Counting(SpanExporter):
    def __init__(self, exporter: SpanExporter, processor: BoundedSpanProcessor) -> None:
        self._exporter = exporter
        self._processor = processor
        self.give_up_at: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            if self.give_up_at is None or time.monotonic() < self.give_up_at:
                result = self._exporter.export(spans)
        finally:
            self._processor.settle(len(spans), exported=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class TraceFile(SpanExporter):
    """Appends one JSON object a span to a file (mode 0600). Several processes may write the same file."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FatalObservabilityError(
                f"The trace file {path} cannot be written ({error.strerror}). Next: name a file in a folder of ours."
            ) from error
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans by one write, so that lines of several processes do not mix."""
        if self._closed:
            return SpanExportResult.FAILURE
        lines = "".join(json.dumps(_as_json(span), separators=(",", ":")) + "\n" for span in spans)
        try:
            written = os.write(self._file, lines.encode("ascii"))
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if written == len(lines) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the file. Again is nothing."""
        if not self._closed:
            self._closed = True
            os.close(self._file)

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the signature is the SDK's
        """Nothing waits: every export is a write."""
        return True


def _as_json(span: ReadableSpan) -> dict[str, object]:
    start, end = span.start_time or 0, span.end_time or 0
    return {
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "service": span.resource.attributes.get("service.name"),
        "start": datetime.fromtimestamp(start / 1e9, UTC).isoformat(),
        "seconds": round((end - start) / 1e9, 6),
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes or {}),
        "links": [f"{link.context.trace_id:032x}" for link in span.links],
    }
