"""Teaching takes no more pairs than it needs, whatever the pool."""

import pytest

from reconciliation import teaching
from reconciliation.pooling import pooled
from tests.reconciliation.people import made_up


def test_a_sample_of_the_pairs_teaches_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    records, _ = made_up(4_000, seed=81)
    with pooled(records) as pool:
        whole = teaching.teach_pool(pool, seed=1)
        pairs = pool.connection.sql("select count(*) from compared").fetchall()[0][0]
        monkeypatch.setattr(teaching, "_LARGEST_SAMPLE", round(pairs * 0.8))
        sampled, again = teaching.teach_pool(pool, seed=1), teaching.teach_pool(pool, seed=1)

    assert sampled == again
    assert sampled.training.pairs_equal < whole.training.pairs_equal
    assert sampled.training.pairs_equal == pytest.approx(0.8 * whole.training.pairs_equal, rel=0.1)
