"""The benchmark of the lifecycle at a small size: what becomes late is flagged, whatever else is stored."""

from tests.benchmarks import lifecycle


def test_the_figures_are_of_what_was_flagged() -> None:
    figures = lifecycle.measure(stored=120_000, changes=50, turns=2)

    assert (figures["stored"], figures["changes"]) == (120_000, 50)
    assert figures["flag_ratio_10m_to_100k"] > 0
