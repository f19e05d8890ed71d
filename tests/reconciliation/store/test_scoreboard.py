"""The scoreboard of each day: the seven words of provinces and units, counted where the records lie."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters.quality.scoring import Word
from reconciliation import jobs
from reconciliation.scoreboard import FORMULAS, WORDS, Score, Scores, called
from reconciliation.store import feed, landing, scoreboard
from reconciliation.store.tables import quality_score, run
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source
from tests.reconciliation.test_jobs import person, push

LAO_CAI = "15"
TODAY = NOW.date()


@pytest.fixture
def counted(engine: sa.Engine) -> sa.Engine:
    """Lào Cai: a person twice, somebody without a number, an undecided unit, and a record in quarantine."""
    push(
        engine, "yen-bai.population", 1, person("A"), person("Q", personal_number=None, full_name="Vàng A Sử", sex=None)
    )
    push(engine, "lao-cai.population", 1, person("B"))
    where = source()
    held = {"row": 0, "codes": ["DATE_INVALID"], "source_record_id": "X", "raw": b"x"}
    landing.land(engine, batch(2, payload=b"2"), normalised(rows(where.kind), [held]), source=where, now=NOW)
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW)
    feed.sequence(engine)
    assert scoreboard.count(engine, now=NOW) >= 2
    return engine


def of(lines: list[Scores], word: Word) -> list[Score]:
    return [line.of[word] for line in lines]


def test_a_province_has_its_seven_words(counted: sa.Engine) -> None:
    (line,) = scoreboard.of_provinces(counted, days=7)

    assert (line.province_code, line.unit_code, line.taken_on) == (LAO_CAI, None, TODAY)
    assert line.of == {
        Word.RIGHT: Score(3, 3),
        Word.COMPLETE: Score(13, 15),  # a number and a sex are missing
        Word.CLEAN: Score(2, 4),  # three records are two people, and one is in quarantine
        Word.LIVE: Score(3, 3),
        Word.UNIFORM: Score(3, 3),
        Word.CONNECTED: Score(2, 3),
        Word.SHARED: Score(0, 3),
    }
    assert [line.of[word].value for word in WORDS] == [100, 86, 50, 100, 100, 66, 0]


def test_a_unit_has_its_own_and_none_of_the_quarantine(counted: sa.Engine) -> None:
    (unit,) = scoreboard.of_units(counted, LAO_CAI)

    assert (unit.unit_code, unit.of[Word.CLEAN], unit.of[Word.CONNECTED]) == ("02647", Score(2, 3), Score(2, 3))
    assert scoreboard.of_one(counted, LAO_CAI, unit_code="02647", days=3) == [unit]
    assert scoreboard.of_units(counted, "01") == []


def test_what_is_late_is_not_live_and_a_day_is_counted_anew(counted: sa.Engine) -> None:
    late = NOW + timedelta(days=30)

    scoreboard.count(counted, now=late)
    lines = scoreboard.count(counted, now=late)

    told = scoreboard.of_one(counted, LAO_CAI, days=5)
    assert lines == 2
    assert [line.taken_on for line in told] == [TODAY, late.date()]
    assert of(told, Word.LIVE) == [Score(3, 3), Score(0, 3)]
    assert of(scoreboard.of_provinces(counted, days=1), Word.LIVE) == [Score(0, 3)]


def test_parts_of_units_add_up_to_their_province(counted: sa.Engine) -> None:
    push(
        counted, "lao-cai.population", 2, person("U", unit_code="99998", personal_number=None, full_name="Giàng A Páo")
    )
    jobs.reconcile_records(counted, province_code=LAO_CAI, now=NOW)
    scoreboard.count(counted, now=NOW)

    (whole,) = scoreboard.of_provinces(counted, days=1)
    units = scoreboard.of_units(counted, LAO_CAI)

    # The record that is on no unit yet is its province's only.
    assert whole.of[Word.RIGHT].whole == 1 + sum(score.whole for score in of(units, Word.RIGHT))
    assert whole.of[Word.UNIFORM] == Score(3, 4)


def test_there_is_nothing_to_score_where_nothing_stands(engine: sa.Engine) -> None:
    assert scoreboard.count(engine, now=NOW) == 0
    assert scoreboard.of_provinces(engine, days=7) == []
    assert Score(0, 0).value is None


def test_pages_read_a_bounded_number_of_lines(counted: sa.Engine) -> None:
    plan = sa.text(
        "EXPLAIN SELECT * FROM quality_score WHERE unit_code = '' AND province_code = '15' ORDER BY taken_on LIMIT 12"
    )
    with counted.connect() as connection:
        connection.execute(sa.text("SET enable_seqscan = off"))
        assert "quality_score_pkey" in str(connection.execute(plan).all())
        assert connection.scalar(sa.select(sa.func.count()).select_from(quality_score)) == 2


def test_every_word_has_its_formula_and_its_name() -> None:
    assert tuple(FORMULAS) == WORDS
    assert [called(word)[0] for word in WORDS] == ["đúng", "đủ", "sạch", "sống", "thống nhất", "kết nối", "dùng chung"]


def test_the_job_counts_and_is_noted(engine: sa.Engine) -> None:
    push(engine, "yen-bai.population", 1, person("A"))

    assert jobs.count_scores(engine, now=NOW) == {"lines": 1}  # its unit is not known before a run
    with engine.connect() as connection:
        noted = connection.execute(sa.select(run.c.job, run.c.counts)).all()
    assert ("count_scores", {"lines": 1}) in [tuple(row) for row in noted]
