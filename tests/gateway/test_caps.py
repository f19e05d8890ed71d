from adapters.readers import LIMITS
from gateway import caps
from reconciliation.store.tables import ROWS_PER_BATCH


def test_the_caps_are_those_of_the_readers_and_of_the_store() -> None:
    assert caps.MAX_RECORDS == LIMITS.records == ROWS_PER_BATCH
    assert LIMITS.payload_bytes == caps.MAX_PAYLOAD_BYTES


def test_a_page_is_never_larger_than_the_most_and_never_empty() -> None:
    sizes = [caps.page_size(asked, default=100, most=1_000) for asked in (-1, 0, 1, 999, 1_000, 1_001)]

    assert sizes == [100, 100, 1, 999, 1_000, 1_000]
