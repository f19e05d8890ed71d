from pathlib import Path

from observability import metrics, telemetry, vocabulary
from tests.golden import Golden

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_instrument_is_in_the_table_once() -> None:
    named = [value for value in vars(metrics).values() if isinstance(value, metrics.Instrument)]

    assert sorted(one.name for one in named) == sorted(one.name for one in metrics.INSTRUMENTS)
    assert len({one.name for one in named}) == len(named)


def test_labels_are_of_the_vocabulary_and_few() -> None:
    for instrument in metrics.INSTRUMENTS:
        assert set(instrument.fields) <= set(vocabulary.FIELDS)
        assert len(instrument.fields) <= 3


def test_no_label_grows_with_the_number_of_records() -> None:
    labels = {field for instrument in metrics.INSTRUMENTS for field in instrument.fields}

    assert not {field for field in labels if field.endswith(("_seq", "sequence", "row"))}
    assert labels.isdisjoint({"receipt_id", "subject_id", "update_id", "case_id", "judgement_id", "unit_code"})


def test_labels_that_were_seen_before_are_those_of_their_instrument_and_drops_count_each_time() -> None:
    with telemetry.configure(service_name="test") as seen:
        for _ in range(3):
            metrics.CALLS_NOT_ENTITLED.add(1, source_id="lao-cai.population")
            metrics.SIGNATURES_REFUSED.add(1, source_id="lao-cai.population", cause="Nguyễn Văn An")
        metrics.SIGNATURES_REFUSED.add(1, source_id="lao-cai.population", cause=["EXPIRED"])
        said = seen.metrics_text().splitlines()

    counted = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in said if not line.startswith("#")}
    assert counted["lienthong_calls_not_entitled_total"] == 3
    assert counted['lienthong_signatures_refused_total{source_id="lao-cai.population"}'] == 4
    assert counted['lienthong_fields_dropped_total{component="metric"}'] == 7


def test_the_document_says_what_the_table_says(golden: Golden) -> None:
    golden.check(DOCUMENT, metrics.as_markdown())
