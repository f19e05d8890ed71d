from itertools import combinations

import duckdb
import pyarrow as pa

from reconciliation.blocking import PAIRS_SQL, BlockingRule, block
from reconciliation.candidates import RECORDS
from reconciliation.persons import PERSONS, RULES
from tests.reconciliation.people import made_up, pool


def paired(
    records: pa.Table, *, rules: tuple[BlockingRule, ...] = RULES, parts: int = 1
) -> tuple[list[tuple[int, int, int]], list[dict[str, object]]]:
    """(one, other, rule) of every pair, and the report."""
    with duckdb.connect() as connection:
        PERSONS.prepare(connection, records)
        report = block(connection, rules)
        found = [
            row
            for part in range(parts)
            for row in connection.sql(PAIRS_SQL, params={"parts": parts, "part": part}).fetchall()
        ]
    return found, report.to_pylist()


def test_pairs_are_those_a_look_at_every_two_records_finds() -> None:
    records, _ = made_up(150, seed=8)
    with duckdb.connect() as connection:
        PERSONS.prepare(connection, records)
        rows = connection.sql("from candidates order by row").to_arrow_table().to_pylist()
    expected = {
        (one["row"], other["row"])
        for one, other in combinations(rows, 2)
        if any(
            all(one[column] is not None and one[column] == other[column] for column in rule.columns) for rule in RULES
        )
    }

    found, _ = paired(records)

    assert len(expected) > 50
    assert {(one, other) for one, other, _ in found} == expected
    assert len(found) == len(expected)


def test_the_parts_together_are_the_whole() -> None:
    records, _ = made_up(400, seed=9)

    whole, _ = paired(records)
    parts, _ = paired(records, parts=7)

    assert sorted(parts) == sorted(whole)


def test_a_pair_that_only_its_label_finds_is_known_by_its_rule() -> None:
    records = pool(
        {"personal_number": "010085000123", "full_name": "Lê An", "birth_year": 1985},
        {"personal_number": "010085000123", "full_name": "Vũ Bình", "birth_year": 1990},
    )

    found, _ = paired(records)

    assert [rule for _, _, rule in found] == [len(RULES) - 1]
    assert [rule.name for rule in RULES if not rule.teaches] == [RULES[-1].name]


def test_a_block_over_its_cap_is_reported_and_left_to_the_other_rules() -> None:
    crowd = [{"full_name": "Nguyễn Văn An", "birth_year": 1980} for _ in range(5)]
    pair = [{"full_name": "Nguyễn Văn An", "birth_year": 1980, "cmnd": "123456789"} for _ in range(2)]
    rules = (
        BlockingRule(name="name_birth_year", columns=("name_set", "birth_year"), cap=6),
        BlockingRule(name="cmnd", columns=("cmnd",)),
    )

    found, report = paired(pool(*crowd, *pair), rules=rules)

    assert found == [(5, 6, 1)]
    assert report[0] == {
        "rule": "name_birth_year",
        "blocks": 0,
        "pairs": 0,
        "capped_blocks": 1,
        "capped_records": 7,
        "largest": 7,
    }


def test_nothing_is_not_equal_to_nothing() -> None:
    found, _ = paired(pool({}, {}, {"full_name": "Lê An"}, {"birth_year": 1980}))

    assert found == []


def test_an_empty_pool_has_no_pairs() -> None:
    found, report = paired(RECORDS.empty_table())

    assert found == []
    assert {row["pairs"] for row in report} == {0}
