"""Traces and metrics of one process: configured once, off the critical path, open to nothing outside `vocabulary`.

A trace goes from a push to the change a registry pulls: whoever hands work on stores `current_traceparent()` with
it, and whoever takes it up passes it to `span(parent=…)` or, for many at once, `span(links=…)`.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from wsgiref.simple_server import WSGIServer

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from observability import metrics, vocabulary
from observability.errors import FatalObservabilityError
from observability.exporting import BoundedSpanProcessor, TraceFile

_EXPORT_SECONDS = 2.0
_LINKS_OF_A_SPAN = 128
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_tracer: trace.Tracer = trace.NoOpTracer()
_is_unseen = False  # configured, and nobody takes spans: what is of use of them are the ids of their traces
_ids = RandomIdGenerator()


@dataclass(frozen=True)
class Telemetry:
    """The running exporters of this process. Leaving the context, or `shutdown`, flushes and stops them."""

    tracer: trace.Tracer = field(repr=False)
    tracer_provider: TracerProvider = field(repr=False)
    meter_provider: MeterProvider = field(repr=False)
    processors: tuple[BoundedSpanProcessor, ...]
    registry: CollectorRegistry = field(repr=False)
    server: WSGIServer | None = field(repr=False)

    @property
    def prometheus_port(self) -> int | None:
        """Where metrics can be read on loopback, None if they are not served."""
        return self.server.server_port if self.server else None

    def metrics_text(self) -> str:
        """All metrics now, as Prometheus would read them."""
        return generate_latest(self.registry).decode()

    def flush(self) -> None:
        """Wait until the spans ended so far have been handed to the far end or given up."""
        for processor in self.processors:
            processor.force_flush()

    def shutdown(self) -> None:
        """Flush within a few seconds and stop. Spans and metrics after this are no-ops."""
        global _tracer, _is_unseen  # one process has one way to be seen
        if _tracer is self.tracer:
            _tracer, _is_unseen = trace.NoOpTracer(), False
            metrics.detach()
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        if self.server:
            self.server.shutdown()
            self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self.shutdown()


def configure(
    *,
    service_name: str,
    trace_file: Path | None = None,
    otlp_endpoint: str | None = None,
    prometheus_port: int | None = None,
) -> Telemetry:
    """Start being seen: spans to a file and/or a collector, metrics to that collector and/or a loopback port.

    `otlp_endpoint` is the base address of an OTLP/HTTP collector; port 0 takes a free one. The newest call wins.
    Raises FatalObservabilityError when the file cannot be written or the port is taken.
    """
    global _tracer, _is_unseen  # one process has one way to be seen
    resource = Resource({"service.name": service_name})
    registry = CollectorRegistry()
    server = _serve_metrics(prometheus_port, registry) if prometheus_port is not None else None
    readers: list[MetricReader] = [
        PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    ]
    processors: list[BoundedSpanProcessor] = []
    if trace_file:
        processors.append(BoundedSpanProcessor(TraceFile(trace_file), name="file"))
    if otlp_endpoint:
        # A dead collector shows in lienthong_spans_failed, not as a log line every second.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        base = otlp_endpoint.rstrip("/")
        spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=_EXPORT_SECONDS)
        processors.append(BoundedSpanProcessor(spans, name="otlp"))
        readers.append(
            PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=_EXPORT_SECONDS))
        )
    tracer_provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    for processor in processors:
        tracer_provider.add_span_processor(processor)
    meter_provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    metrics.attach(meter_provider.get_meter("lienthong"))
    _tracer, _is_unseen = tracer_provider.get_tracer("lienthong"), not processors
    return Telemetry(_tracer, tracer_provider, meter_provider, tuple(processors), registry, server)


def _serve_metrics(port: int, registry: CollectorRegistry) -> WSGIServer:
    try:
        server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise FatalObservabilityError(
            f"Metrics cannot be served on port {port} of 127.0.0.1 ({error.strerror}). Next: choose another port, or 0."
        ) from error
    return server


class ActiveSpan:
    """A span that is open. Fields outside the vocabulary are dropped and counted."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """What a later span in another process takes as its parent; None when nothing is traced."""
        return _format(self._span.get_span_context())

    def set(self, **fields: object) -> None:
        """Say more about what is being done."""
        if self._span.is_recording():
            self._span.set_attributes(_admit(fields))

    def fail(self, error_type: str, **fields: object) -> None:
        """Mark the span as failed, for a failure that is answered and not raised."""
        self._span.set_status(trace.StatusCode.ERROR)
        self.set(error_type=error_type, **fields)


@contextmanager
def span(
    name: str,
    *,
    parent: str | None = None,
    links: Sequence[str] = (),
    attributes: Mapping[str, object] | None = None,
) -> Iterator[ActiveSpan]:
    """Trace what happens inside. `parent` and `links` are traceparents; without a parent the open span is it.

    A parent that is no traceparent is ignored. An exception leaves its class name, never its message.
    """
    context = _parse(parent) if parent else None
    if _is_unseen:
        with _unseen(context) as passing:
            yield passing
        return
    admitted = _admit(attributes or {})
    linked = [trace.Link(trace.get_current_span(one).get_span_context()) for one in map(_parse, links) if one]
    with _tracer.start_as_current_span(
        vocabulary.admit_name(name),
        context=context,
        attributes=admitted,
        links=linked[:_LINKS_OF_A_SPAN],
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        active = ActiveSpan(started)
        try:
            yield active
        except BaseException as error:
            active.fail(type(error).__name__)
            raise


@contextmanager
def _unseen(context: Context | None) -> Iterator[ActiveSpan]:
    """A span that nobody takes: it stands for the one it would have been in, and where there is none for a new trace.

    A tenth of what a recorded one costs; of every single update that is much.
    """
    above = trace.get_current_span(context)
    if not above.get_span_context().is_valid:
        above = trace.NonRecordingSpan(
            trace.SpanContext(_ids.generate_trace_id(), _ids.generate_span_id(), is_remote=False)
        )
    token = attach(trace.set_span_in_context(above))
    try:
        yield ActiveSpan(above)
    finally:
        detach(token)


def current_traceparent() -> str | None:
    """The traceparent of the open span, None when there is none."""
    return _format(trace.get_current_span().get_span_context())


def current_trace_id() -> str | None:
    """The trace id of the open span, 32 hexadecimal digits, None when there is none."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def _admit(fields: Mapping[str, object]) -> dict[str, vocabulary.Value]:
    admitted, dropped = vocabulary.admit(fields)
    if dropped:
        metrics.FIELDS_DROPPED.add(dropped, component="span")
    return admitted


def _parse(traceparent: str) -> Context | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if not match:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    context = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    return trace.set_span_in_context(trace.NonRecordingSpan(context)) if context.is_valid else None


def _format(context: trace.SpanContext) -> str | None:
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
