"""When the doorbell rings: news at once, the rest from time to time; never for nothing, nor for want of a database."""

from collections.abc import Iterator

from dags.doorbell import Doorbell, pause
from reconciliation.errors import RetryableStoreError


def looking(*answers: list[str] | Exception) -> Doorbell:
    """A doorbell that finds `answers`, one a look, and rings again after ten seconds."""
    coming: Iterator[list[str] | Exception] = iter(answers)

    def watch() -> list[str]:
        answer = next(coming)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Doorbell(watch, again_seconds=10)


def test_it_rings_at_once_for_news_and_not_again_for_the_same() -> None:
    bell = looking([], ["15"], ["15"], ["15", "68"], ["68"])

    assert [bell.look(at) for at in range(5)] == [[], ["15"], [], ["15", "68"], []]


def test_it_rings_again_for_what_still_waits() -> None:
    bell = looking(["15"], ["15"], ["15"], ["15"])

    assert [bell.look(at) for at in (0, 9, 10, 11)] == [["15"], [], ["15"], []]


def test_what_was_taken_up_and_comes_back_is_news() -> None:
    bell = looking(["15"], [], ["15"])

    assert [bell.look(at) for at in (0, 1, 2)] == [["15"], [], ["15"]]


def test_a_lost_database_neither_ends_the_watch_nor_hides_what_waits() -> None:
    lost = RetryableStoreError("The database did not answer.")
    bell = looking(lost, ["15"], lost, lost, ["15"])

    assert [bell.look(at) for at in (0, 1, 2, 11, 12)] == [[], ["15"], [], ["15"], []]


def test_the_longer_a_look_takes_the_longer_it_rests() -> None:
    assert pause(2.0, took_seconds=0.001) == 2.0
    assert pause(2.0, took_seconds=0.5) == 10.0
