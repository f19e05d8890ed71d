"""The benchmark compares like with like: columns and records say the same of every row."""

from tests.benchmarks import proving


def test_columns_and_records_agree_on_rows_with_awkward_values() -> None:
    assert proving.prove(20_000, seed=1) >= 20_000


def test_columns_and_records_agree_on_files_and_on_the_bytes_held_back() -> None:
    assert proving.prove_files(seed=2) > 5_000


def test_columns_and_records_agree_on_relatives() -> None:
    assert proving.prove_relatives(seed=3) > 500
