import json
import socket
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from observability import metrics, telemetry
from observability.errors import FatalObservabilityError
from observability.exporting import BoundedSpanProcessor

CANARY = "001099012345"
REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def test_a_trace_continues_from_process_to_process(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"

    with telemetry.configure(service_name="sender", trace_file=path), telemetry.span("agent.push") as pushing:
        handed_over = telemetry.current_traceparent()
        assert handed_over == pushing.traceparent
    with telemetry.configure(service_name="gateway", trace_file=path):
        with telemetry.span("intake.land", parent=handed_over), telemetry.span("store.copy"):
            pass
        with telemetry.span("job.reconcile_records", links=[handed_over or "", "no traceparent"]):
            pass

    push, copy, land, job = read(path)
    assert [one["name"] for one in (push, copy, land, job)] == [
        "agent.push",
        "store.copy",
        "intake.land",
        "job.reconcile_records",
    ]
    assert push["service"] == "sender"
    assert push["trace_id"] == land["trace_id"] == copy["trace_id"]
    assert (push["span_id"], land["span_id"]) == (land["parent_span_id"], copy["parent_span_id"])
    assert job["trace_id"] != push["trace_id"]
    assert job["links"] == [push["trace_id"]]


def test_a_traceparent_passes_through_a_process_that_is_not_seen() -> None:
    with telemetry.span("intake.land", parent=REMOTE) as passing:
        assert passing.traceparent == REMOTE
        assert telemetry.current_traceparent() == REMOTE
    assert telemetry.current_traceparent() is None


def test_a_trace_that_nobody_takes_has_its_id_all_the_same() -> None:
    with telemetry.configure(service_name="gateway"):
        with telemetry.span("call", attributes={"request_id": "no UUID"}) as call:
            call.set(records=1)
            first = telemetry.current_trace_id()
            with telemetry.span("intake.land"):
                assert telemetry.current_trace_id() == first is not None
        with telemetry.span("call"):
            assert telemetry.current_trace_id() not in {first, None}
        with telemetry.span("intake.land", parent=REMOTE) as passing:
            assert passing.traceparent == telemetry.current_traceparent() == REMOTE
    assert telemetry.current_traceparent() is None


def test_an_error_passes_through_a_span_that_nobody_takes() -> None:
    with telemetry.configure(service_name="gateway"):
        with pytest.raises(ZeroDivisionError), telemetry.span("call"):
            raise ZeroDivisionError
        assert telemetry.current_traceparent() is None


def test_a_parent_that_is_no_traceparent_starts_a_trace_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"

    with telemetry.configure(service_name="gateway", trace_file=path):
        for parent in ("", "x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", REMOTE + "\r\n"):
            with telemetry.span("intake.land", parent=parent):
                pass

    assert [one["parent_span_id"] for one in read(path)] == [None] * 4


def test_nothing_of_a_person_reaches_a_span_a_metric_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"

    with telemetry.configure(service_name="gateway", trace_file=path) as seen:
        with (
            pytest.raises(ValueError, match="canary"),
            telemetry.span(CANARY, attributes={"full_name": CANARY, "source_id": CANARY, "received": 3}) as open_span,
        ):
            open_span.set(owner=CANARY, reason="ROW_REFUSED")
            metrics.BATCHES_RECEIVED.add(source_id=CANARY)
            metrics.BATCHES_RECEIVED.add(personal_number=CANARY)
            raise ValueError(f"canary {CANARY}")
        measured = seen.metrics_text()

    (shown,) = read(path)
    assert CANARY not in path.read_text() + measured
    assert shown["name"] == "unnamed"
    assert shown["status"] == "ERROR"
    assert shown["attributes"] == {"received": 3, "reason": "ROW_REFUSED", "error_type": "ValueError"}
    assert 'lienthong_fields_dropped_total{component="span"} 3.0' in measured
    assert 'lienthong_fields_dropped_total{component="metric"} 2.0' in measured


class StuckExporter(SpanExporter):
    """A far end that does not answer until the test says so."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.threads: set[int] = set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.threads.add(threading.get_ident())
        self.entered.set()
        self.release.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.release.set()


def test_a_stuck_collector_holds_up_nobody_and_what_is_lost_is_counted() -> None:
    stuck = StuckExporter()
    processor = BoundedSpanProcessor(stuck, name="otlp", queue_spans=8)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")

    tracer.start_span("first").end()
    assert stuck.entered.wait(30)
    for _ in range(20):  # returns although the exporter never does: the work is on another thread
        tracer.start_span("more").end()
    dropped = processor.dropped
    stuck.release.set()
    provider.shutdown()

    assert stuck.threads.isdisjoint({threading.get_ident()})
    assert dropped == 21 - 8
    assert processor.failed == 8


def test_a_dead_collector_is_counted_and_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"http://127.0.0.1:{reserved.getsockname()[1]}"

        configured = telemetry.configure(
            service_name="gateway", trace_file=tmp_path / "traces.jsonl", otlp_endpoint=address
        )
        with configured as seen, telemetry.span("intake.land"):
            pass

    file, otlp = seen.processors
    assert (file.dropped, file.failed) == (0, 0)
    assert (otlp.dropped, otlp.failed) == (0, 1)
    assert len(read(tmp_path / "traces.jsonl")) == 1


def test_metrics_are_served_on_loopback() -> None:
    with telemetry.configure(service_name="gateway", prometheus_port=0) as seen:
        metrics.RECORDS_ACCEPTED.add(12, province_code="15", record_kind="person")
        metrics.LANDING_SECONDS.record(0.2, record_kind="person")
        metrics.UPDATES.set(7, state="awaiting_pull")
        with urlopen(f"http://127.0.0.1:{seen.prometheus_port}/metrics") as answer:
            text = answer.read().decode()

    assert 'lienthong_records_accepted_total{province_code="15",record_kind="person"} 12.0' in text
    assert 'lienthong_landing_seconds_bucket{le="0.25",record_kind="person"} 1.0' in text
    assert 'lienthong_updates{state="awaiting_pull"} 7.0' in text


def test_a_taken_port_and_an_unwritable_file_are_said_at_the_start(tmp_path: Path) -> None:
    with (
        telemetry.configure(service_name="gateway", prometheus_port=0) as seen,
        pytest.raises(FatalObservabilityError, match=f"port {seen.prometheus_port}"),
    ):
        telemetry.configure(service_name="other", prometheus_port=seen.prometheus_port)
    with pytest.raises(FatalObservabilityError, match="absent"):
        telemetry.configure(service_name="gateway", trace_file=tmp_path / "absent" / "traces.jsonl")


def test_the_trace_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"

    with telemetry.configure(service_name="gateway", trace_file=path):
        pass

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_comes_after_the_end_is_a_no_op(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    with telemetry.configure(service_name="gateway", trace_file=path) as seen:
        pass

    with telemetry.span("late"):
        metrics.FEED_PUBLISHED.add(5)

    assert path.read_text() == ""
    assert "feed_published" not in seen.metrics_text()
