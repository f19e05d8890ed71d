"""The named instruments, all of them, in one table. Until `telemetry.configure` attaches a meter nothing is recorded.

`python -m observability.metrics` prints docs/metrics.md.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from opentelemetry.metrics import Counter as OtelCounter
from opentelemetry.metrics import Histogram as OtelHistogram
from opentelemetry.metrics import Meter
from opentelemetry.metrics import _Gauge as OtelGauge

from observability import vocabulary

PREFIX = "lienthong_"
_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_counters: dict[str, OtelCounter] = {}
_histograms: dict[str, OtelHistogram] = {}
_gauges: dict[str, OtelGauge] = {}


@dataclass(frozen=True)
class Instrument:
    """What is measured, in which unit, and the only fields it may be split by."""

    name: str
    description: str
    fields: tuple[str, ...] = ()
    unit: str = "1"

    def _labels(self, fields: Mapping[str, object]) -> dict[str, vocabulary.Value]:
        is_text = all(type(value) is str for value in fields.values())
        labels, dropped = (_remembered if is_text else _admitted)(self, tuple(fields.items()))
        if dropped and "fields_dropped" in _counters:
            _counters["fields_dropped"].add(dropped, {"component": "metric"})
        return labels


def _admitted(
    instrument: Instrument, fields: tuple[tuple[str, object], ...]
) -> tuple[dict[str, vocabulary.Value], int]:
    """The labels of an instrument that `fields` fill, and how many were dropped."""
    labels, dropped = vocabulary.admit({name: value for name, value in fields if name in instrument.fields})
    return labels, dropped + sum(name not in instrument.fields for name, _ in fields)


_remembered = lru_cache(maxsize=4_096)(_admitted)  # the same few are asked for at every call


@dataclass(frozen=True)
class Counter(Instrument):
    """Only rises."""

    def add(self, amount: int = 1, **fields: object) -> None:
        """Count `amount` more. Fields that are not this instrument's are dropped."""
        if self.name in _counters:
            _counters[self.name].add(amount, self._labels(fields))


@dataclass(frozen=True)
class Histogram(Instrument):
    """The distribution of a duration, in seconds."""

    unit: str = "s"

    def record(self, seconds: float, **fields: object) -> None:
        """Note one duration. Fields that are not this instrument's are dropped."""
        if self.name in _histograms:
            _histograms[self.name].record(seconds, self._labels(fields))


@dataclass(frozen=True)
class Gauge(Instrument):
    """The last value seen."""

    def set(self, value: float, **fields: object) -> None:
        """Replace the value. Fields that are not this instrument's are dropped."""
        if self.name in _gauges:
            _gauges[self.name].set(value, self._labels(fields))


BATCHES_RECEIVED = Counter("batches_received", "Batches that reached intake, whatever became of them.", ("source_id",))
BATCHES_LANDED = Counter("batches_landed", "Batches committed and receipted for the first time.", ("source_id",))
BATCHES_REPLAYED = Counter(
    "batches_replayed", "Batches answered with the receipt of an earlier landing.", ("source_id",)
)
BATCHES_REFUSED = Counter("batches_refused", "Batches refused as a whole.", ("source_id", "reason"))
SIGNATURES_REFUSED = Counter("signatures_refused", "Signatures that did not hold.", ("source_id", "cause"))
RECORDS_ACCEPTED = Counter(
    "records_accepted", "Record versions that became an update.", ("province_code", "record_kind")
)
RECORDS_QUARANTINED = Counter(
    "records_quarantined", "Rows kept aside because of an error.", ("province_code", "record_kind")
)
RECORDS_NOT_ENTITLED = Counter(
    "records_not_entitled", "Rows about people of a province that their source has no grant for.", ("source_id",)
)
CALLS_NOT_ENTITLED = Counter(
    "calls_not_entitled", "Calls refused because what they name does not exist or is not the caller's."
)
RECORDS_SUPERSEDED = Counter(
    "records_superseded", "Record versions older than one already held.", ("province_code", "record_kind")
)
FINDINGS = Counter("findings", "Things said about rows of landed batches.", ("source_id", "code", "severity"))
NORMALISE_SECONDS = Histogram("normalise_seconds", "Bytes of a batch to canonical columns.", ("record_kind",))
LANDING_SECONDS = Histogram("landing_seconds", "Canonical columns to COMMIT.", ("record_kind",))
REQUEST_SECONDS = Histogram("request_seconds", "One gRPC call, as the server saw it.", ("method", "status_code"))
STATUSES_ANSWERED = Counter(
    "statuses_answered", "Questions where an update is, by where the answer was read.", ("read_from",)
)
WATCHES_OPEN = Gauge("watches_open", "Watches of updates that this process serves.")
MOVES_TOLD = Counter("moves_told", "Changes of state told to who watches updates.")
JOB_RUNS = Counter("job_runs", "Runs of a job that ended.", ("job", "outcome"))
JOB_SECONDS = Histogram("job_seconds", "One run of a job, for one province where it has one.", ("job",))
LINKS = Gauge("links", "Pairs of records held to be one person.", ("province_code",))
CASES_OPEN = Gauge("cases_open", "Questions waiting for a steward.", ("province_code", "case_kind"))
UPDATES = Gauge("updates", "Accepted updates by the state they are in.", ("state",))
UPDATES_STUCK = Gauge("updates_stuck", "Updates whose state has passed its deadline.", ("owner", "state"))
SOURCES = Gauge("sources", "Declared sources by whether they sent or attested silence in time.", ("state",))
FEED_HEAD = Gauge("feed_head", "The last sequence number published.")
FEED_PUBLISHED = Counter("feed_published", "Changes given their place in the feed.")
FEED_CURSOR = Gauge("feed_cursor", "The last sequence number a consumer has acknowledged.", ("consumer_id",))
FEED_LAG = Gauge("feed_lag", "Published changes that a consumer has not acknowledged.", ("consumer_id",))
FEED_LAG_SECONDS = Gauge(
    "feed_lag_seconds", "How long the first change that a consumer has not acknowledged is published.", ("consumer_id",)
)
FEED_EXPIRED = Gauge("feed_expired", "1 for a consumer that has to take a snapshot to go on.", ("consumer_id",))
FEED_STREAMS = Gauge("feed_streams", "Open streams of the feed, downloads included.", ("consumer_id",))
OUTCOMES = Counter("outcomes", "Reports of registries on changes.", ("consumer_id", "outcome"))
HANDSHAKES_REFUSED = Counter("handshakes_refused", "Connections that ended before their first call.", ("reason",))
IDENTITIES_REFUSED = Counter(
    "identities_refused", "Calls refused for the certificate of their connection.", ("reason",)
)
CERTIFICATE_DAYS = Gauge(
    "certificate_days",
    "Days until a certificate of the gateway, or its list of revocations, runs out.",
    ("certificate",),
)
SPANS_DROPPED = Counter("spans_dropped", "Spans that found the queue of an exporter full.", ("exporter",))
SPANS_FAILED = Counter("spans_failed", "Spans the far end of an exporter did not take.", ("exporter",))
FIELDS_DROPPED = Counter("fields_dropped", "Fields outside the vocabulary, kept from being seen.", ("component",))

COUNTERS = (
    BATCHES_RECEIVED, BATCHES_LANDED, BATCHES_REPLAYED, BATCHES_REFUSED, RECORDS_ACCEPTED, RECORDS_QUARANTINED,
    RECORDS_SUPERSEDED, FINDINGS, JOB_RUNS, FEED_PUBLISHED, OUTCOMES, SPANS_DROPPED, SPANS_FAILED, FIELDS_DROPPED,
    SIGNATURES_REFUSED, RECORDS_NOT_ENTITLED, CALLS_NOT_ENTITLED, HANDSHAKES_REFUSED, IDENTITIES_REFUSED,
    STATUSES_ANSWERED, MOVES_TOLD,
)  # fmt: skip
HISTOGRAMS = (NORMALISE_SECONDS, LANDING_SECONDS, REQUEST_SECONDS, JOB_SECONDS)
GAUGES = (
    LINKS, CASES_OPEN, UPDATES, UPDATES_STUCK, SOURCES, FEED_HEAD, FEED_CURSOR, FEED_LAG, FEED_LAG_SECONDS,
    FEED_EXPIRED, FEED_STREAMS, CERTIFICATE_DAYS, WATCHES_OPEN,
)  # fmt: skip
INSTRUMENTS: tuple[Instrument, ...] = (*COUNTERS, *HISTOGRAMS, *GAUGES)


def attach(meter: Meter) -> None:
    """Record from now on through `meter`."""
    detach()
    for counter in COUNTERS:
        _counters[counter.name] = meter.create_counter(PREFIX + counter.name, counter.unit, counter.description)
    for histogram in HISTOGRAMS:
        _histograms[histogram.name] = meter.create_histogram(
            PREFIX + histogram.name,
            histogram.unit,
            histogram.description,
            explicit_bucket_boundaries_advisory=_SECONDS_BUCKETS,
        )
    for gauge in GAUGES:
        _gauges[gauge.name] = meter.create_gauge(PREFIX + gauge.name, gauge.unit, gauge.description)


def detach() -> None:
    """Record nothing from now on."""
    _counters.clear()
    _histograms.clear()
    _gauges.clear()


def as_markdown() -> str:
    """docs/metrics.md, from the table above."""
    lines = [
        "# Metrics",
        "",
        "Written by `python -m observability.metrics > docs/metrics.md`; a test compares. A label that is",
        "not in `observability/vocabulary.py` is dropped and counted in `lienthong_fields_dropped_total`.",
        "",
        "| name in Prometheus | kind | meaning | labels |",
        "|---|---|---|---|",
    ]
    for instrument in sorted(INSTRUMENTS, key=lambda one: one.name):
        suffix = "_total" if isinstance(instrument, Counter) else ""
        labels = ", ".join(f"`{field}`" for field in instrument.fields) or "–"
        kind = type(instrument).__name__.lower()
        lines.append(f"| `{PREFIX}{instrument.name}{suffix}` | {kind} | {instrument.description} | {labels} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
