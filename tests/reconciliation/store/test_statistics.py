"""Tables are counted anew once a tenth of them is other, or a province is new; what is locked is left."""

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.store import statistics, tables
from tests.reconciliation.province import YEN_BAI, Province, person

COUNTED = sa.text("""
SELECT reltuples::bigint, analyze_count FROM pg_class JOIN pg_stat_user_tables ON relid = oid
WHERE oid = CAST(:name AS regclass)
""")
TABLE = tables.cluster_member.name


def fill(engine: sa.Engine, records: int, *, province_code: str = "15") -> None:
    rows = sa.func.generate_series(1, records).table_valued("number").render_derived()
    key = sa.literal(province_code) + sa.cast(rows.c.number, sa.Text)
    with engine.begin() as connection:
        connection.execute(
            tables.cluster_member.insert().from_select(
                ["record_key", "subject_id", "province_code"], sa.select(key, key, sa.literal(province_code))
            )
        )
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))


def counted(engine: sa.Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        rows, times = connection.execute(COUNTED, {"name": TABLE}).one()
        return rows, times


def test_what_was_filled_is_counted_once(engine: sa.Engine) -> None:
    statistics.renew(engine)
    fill(engine, 20_000)

    assert TABLE in statistics.renew(engine)

    rows, times = counted(engine)
    assert rows == 20_000
    assert TABLE not in statistics.renew(engine)
    assert counted(engine) == (rows, times)


def test_a_new_province_is_counted_however_small_beside_the_others(engine: sa.Engine) -> None:
    fill(engine, 40_000)
    statistics.renew(engine)
    fill(engine, 1_500, province_code="96")

    assert TABLE not in statistics.renew(engine)
    assert TABLE in statistics.renew(engine, is_province_new=True)

    with engine.connect() as connection:
        known = connection.scalar(
            sa.text(
                "SELECT most_common_vals::text FROM pg_stats WHERE tablename = :name AND attname = 'province_code'"
            ),
            {"name": TABLE},
        )
    assert "96" in known


def test_a_table_that_stays_locked_is_left_and_the_others_are_counted(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics.renew(engine)
    fill(engine, 5_000)
    monkeypatch.setattr(statistics, "_PATIENCE", sa.text("SET LOCAL lock_timeout = '50ms'"))
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE cluster_member IN SHARE UPDATE EXCLUSIVE MODE"))

        assert TABLE not in statistics.renew(engine)

    assert TABLE in statistics.renew(engine)


def test_a_run_leaves_the_planner_knowing_what_it_wrote(engine: sa.Engine) -> None:
    province = Province(engine)
    province.push(YEN_BAI, *(person(f"{number}", personal_number=None) for number in range(1_500)))

    jobs.reconcile_records(engine, province_code=province.code, now=province.now)

    assert counted(engine)[0] == 1_500
