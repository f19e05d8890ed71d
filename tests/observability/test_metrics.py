from pathlib import Path

from observability import metrics, vocabulary
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


def test_the_document_says_what_the_table_says(golden: Golden) -> None:
    golden.check(DOCUMENT, metrics.as_markdown())
