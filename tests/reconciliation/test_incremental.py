"""What changed, linked against what stands, gives what the whole gives; one record alone, what a run gives it."""

import functools
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation import inquiring, jobs, pipeline
from reconciliation.candidates import RECORDS
from reconciliation.clustering import cluster
from reconciliation.deciding import PAIRS
from reconciliation.errors import RejectedRequestError
from reconciliation.incremental import Judged, Renewal, Renewed, link_whole, renew
from reconciliation.matching import FatalPostingsError, matcher
from reconciliation.model import CaseKind, Decision
from reconciliation.persons import PERSONS
from reconciliation.store import postings, tables
from reconciliation.weights import Model, load_model
from tests.reconciliation.people import Faults, made_up
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, doubtful, other_person, person
from tests.reconciliation.store.landings import NOW

MODEL = load_model()
EVERY = replace(MODEL, lower=-1_000.0, keep=-1_000.0)  # so that a run says the weight of every pair
PROVINCE = "15"
# Small caps, so that blocks grow past them and shrink below.
SMALL = replace(PERSONS, rules=tuple(replace(rule, cap=4) for rule in PERSONS.rules))
ALWAYS = Renewal(fewest_records=0, most_changed=1e9)
NO_PAIRS = PAIRS.empty_table()
UNJUDGED = Judged(joined=NO_PAIRS, parted=NO_PAIRS, standing=NO_PAIRS)
# Faults so frequent that every level, veto and rule has its pairs.
PEOPLE, _ = made_up(90, seed=11, faults=Faults(twins=0.3, typo=0.2, held_twice=0.2, number_missing=0.4))
ROWS = PEOPLE.sort_by("record_key").to_pylist()
NAMES = sorted({row["full_name"] for row in ROWS})


def pool(rows: dict[str, dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows.values()), schema=RECORDS)


def kept(
    engine: sa.Engine, records: pa.Table, judged: Judged = UNJUDGED, *, linkage=SMALL, model: Model = MODEL
) -> Renewed:
    """Renew what stands of the province, and hold it."""
    with engine.begin() as connection:
        held = postings.held(connection, PROVINCE)
        renewed = renew(records, held, model=model, judged=judged, linkage=linkage, renewal=ALWAYS)
        postings.write_linkage(connection, renewed.upkeep, province_code=PROVINCE, now=NOW)
        return renewed


def forget(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for table in (tables.linkage_pair, tables.linkage_posting, tables.linkage_record, tables.linkage_tally):
            connection.execute(table.delete())
        connection.execute(tables.linkage_epoch.delete())


def state(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """All that is held, but for the numbers of records."""
    record, posting = tables.linkage_record.c, tables.linkage_posting.c
    named = tables.linkage_posting.join(tables.linkage_record, posting.record_no == record.record_no)
    queries = {
        "records": sa.select(*(column for column in record if column.name != "record_no")),
        "postings": sa.select(posting.rule, posting.key, record.record_key).select_from(named),
        "pairs": sa.select(tables.linkage_pair),
    }
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(query)), key=repr) for name, query in queries.items()
        }


_record = st.integers(0, len(ROWS) - 1)
_change = st.one_of(
    st.tuples(st.just("put"), _record),
    st.tuples(st.just("put"), _record),
    st.tuples(st.just("drop"), _record),
    st.tuples(st.just("rename"), _record, st.sampled_from(NAMES)),
    st.tuples(st.just("house"), _record, _record),
    st.tuples(st.just("join"), _record, _record),
    st.tuples(st.just("part"), _record, _record),
    st.tuples(st.just("forget"), st.integers(0, 5)),
)
DELTAS = st.lists(st.lists(_change, min_size=1, max_size=8), min_size=2, max_size=4)


class World:
    """A pool that changes, with judgements about it."""

    def __init__(self, first: int) -> None:
        self.rows = {row["record_key"]: dict(row) for row in ROWS[:first]}
        self.judged: list[tuple[str, str, str]] = []

    def change(self, what: str, which: int, other: object = None) -> None:
        row = ROWS[which % len(ROWS)]
        key = row["record_key"]
        match what:
            case "put":
                self.rows[key] = dict(row)
            case "drop":
                self.rows.pop(key, None)
            case "rename":
                self.rows[key] = dict(row) | {"full_name": other}
            case "house":
                self.rows[key] = dict(row) | {"household_key": ROWS[other]["household_key"]}
            case "forget":
                del self.judged[which : which + 1]
            case _ if which != other:
                self.judged.append((what, *sorted([key, ROWS[other]["record_key"]])))

    def pairs(self, what: str) -> pa.Table:
        said = [{"left_key": left, "right_key": right} for one, left, right in self.judged if one == what]
        return pa.Table.from_pylist(said, schema=PAIRS)

    def judgements(self) -> Judged:
        return Judged(joined=self.pairs("join"), parted=self.pairs("part"), standing=NO_PAIRS)


@given(deltas=DELTAS, first=st.integers(60, len(ROWS)), model=st.sampled_from([MODEL, EVERY]))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sequence_of_deltas_gives_what_the_whole_gives(engine, deltas, first, model):
    forget(engine)
    world = World(first)
    frequencies = kept(engine, pool(world.rows), world.judgements(), model=model).upkeep.tallies
    for delta in deltas:
        for change in delta:
            world.change(*change)
        records, judged = pool(world.rows), world.judgements()

        renewed = kept(engine, records, judged, model=model)

        whole = link_whole(records, model=model, judged=judged, linkage=SMALL, tallies=frequencies)
        assert not renewed.upkeep.is_whole
        assert renewed.linked.decisions.equals(whole.linked.decisions)
        assert renewed.linked.links.equals(whole.linked.links)
        assert sorted(renewed.linked.apart.to_pylist(), key=repr) == sorted(whole.linked.apart.to_pylist(), key=repr)
        assert renewed.linked.numbers.equals(whole.linked.numbers)
        assert clustered(renewed, records) == clustered(whole, records)
        assert state(engine) == written(whole)


def written(whole: Renewed) -> dict[str, list[tuple[object, ...]]]:
    """What `state` says once a whole run is written and nothing else was held."""
    records, pairs = whole.upkeep.indexed.to_pylist(), whole.upkeep.pairs.to_pylist()
    said: dict[str, list[tuple[object, ...]]] = {
        "records": [(PROVINCE, *row.values()) for row in records],
        "postings": [
            (at, key, row["record_key"]) for row in records for at, key in enumerate(row["keys"]) if key is not None
        ],
        "pairs": [(PROVINCE, *row.values()) for row in pairs],
    }
    return {name: sorted(rows, key=repr) for name, rows in said.items()}


def clustered(renewed: Renewed, records: pa.Table) -> list[dict[str, str]]:
    linked = renewed.linked
    found = cluster(records["record_key"], linked.links, apart=linked.apart, numbers=linked.numbers)
    return found.assignment.to_pylist() + found.cuts.to_pylist()


def test_the_order_in_which_records_come_is_not_seen_in_what_is_held(engine):
    records, held = PEOPLE.sort_by("record_key"), []
    part = records.num_rows // 5
    frequencies = link_whole(records, model=MODEL, judged=UNJUDGED, linkage=SMALL).upkeep.tallies
    for later in (records.slice(0, part), records.slice(2 * part, part)):
        forget(engine)
        with engine.begin() as connection:
            first = records.filter(pc.invert(pc.is_in(records["record_key"], value_set=later["record_key"])))
            whole = link_whole(first, model=MODEL, judged=UNJUDGED, linkage=SMALL, tallies=frequencies)
            postings.write_linkage(connection, whole.upkeep, province_code=PROVINCE, now=NOW)

        assert not kept(engine, records).upkeep.is_whole

        held.append(state(engine))

    assert held[0] == held[1]


def test_when_much_is_other_than_was_counted_the_whole_is_linked_again(engine):
    records = PEOPLE.slice(0, 100)
    kept(engine, records)
    seldom = Renewal(fewest_records=50, most_changed=0.1)

    def is_whole(pool: pa.Table, model: Model = MODEL, renewal: Renewal = seldom) -> bool:
        with engine.connect() as connection:
            held = postings.held(connection, PROVINCE)
            return renew(pool, held, model=model, judged=UNJUDGED, linkage=SMALL, renewal=renewal).upkeep.is_whole

    assert not is_whole(records)
    assert not is_whole(PEOPLE.slice(0, 104))
    assert is_whole(PEOPLE.slice(0, 120))
    assert is_whole(records, renewal=Renewal())
    assert is_whole(records, model=replace(MODEL, base=MODEL.base - 1))


def test_one_record_finds_whom_a_run_finds_with_the_same_weights(engine):
    whole = link_whole(PEOPLE, model=EVERY, judged=UNJUDGED, linkage=SMALL)
    with engine.begin() as connection:
        postings.write_linkage(connection, whole.upkeep, province_code=PROVINCE, now=NOW)
    beside: dict[str, dict[str, dict[str, object]]] = {key: {} for key in PEOPLE["record_key"].to_pylist()}
    for row in whole.linked.decisions.to_pylist():
        beside[row["left_key"]][row["right_key"]] = row
        beside[row["right_key"]][row["left_key"]] = row
    said = ("decision", "decided_by", "weight", "veto", "rule", "levels", "weights")

    with matcher(EVERY, linkage=SMALL) as ready:
        for place in range(0, PEOPLE.num_rows, 3):
            record = PEOPLE.slice(place, 1)
            found = inquiring.match_one(engine, record, EVERY, province_code=PROVINCE, ready=ready)

            expected = beside[record["record_key"][0].as_py()]
            assert {one.record_key: {name: getattr(one, name) for name in said} for one in found} == {
                key: {name: row[name] for name in said} for key, row in expected.items()
            }
    assert sum(map(len, beside.values())) > 200


def test_a_record_that_nobody_sent_finds_the_person_it_is_about(engine):
    kept(engine, PEOPLE, linkage=PERSONS)
    known = next(row for row in ROWS if row["personal_number"])
    text = json.dumps({name: known[name] for name in ("personal_number", "full_name", "birth_year", "sex")})

    found = inquiring.match_one(engine, inquiring.read_one(text), MODEL, province_code=PROVINCE)

    assert known["record_key"] in {one.record_key for one in found if one.decision == "link"}
    assert known["full_name"] not in found[0].vi + found[0].en


def test_where_nothing_is_held_nobody_is_matched(engine):
    with pytest.raises(FatalPostingsError, match="Next: run"):
        inquiring.match_one(engine, PEOPLE.slice(0, 1), MODEL, province_code="01")


@pytest.mark.parametrize("text", ["", "[]", '{"nonsense": 1}', '{"birth_year": "x"}'])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(RejectedRequestError) as caught:
        inquiring.read_one(text)

    assert caught.value.reason == "FIELD_INVALID"


def test_runs_that_look_at_what_changed_leave_nothing_for_a_whole_run_to_do(engine, monkeypatch):
    monkeypatch.setattr(pipeline, "renew", functools.partial(renew, renewal=ALWAYS))
    province = Province(engine)
    province.push(YEN_BAI, person("A"), other_person("B"), doubtful("C"))
    assert province.run()["linked_whole"] == 1
    province.push(LAO_CAI, person("A", source_version=2), doubtful("D", full_name="Vàng Thị Sáu", sex="male"))
    assert province.run()["linked_whole"] == 0
    province.judge(province.case(CaseKind.DOUBTFUL_MATCH), Decision.SAME)
    province.push(YEN_BAI, other_person("B", source_version=2, full_name="Giàng A Pao"))
    assert province.run()["linked_whole"] == 0
    held, links = state(engine), province.query(sa.select(tables.link))

    province.day += 1
    counts = jobs.reconcile_records(engine, province_code=province.code, now=province.now, is_whole=True)

    assert counts["linked_whole"] == 1
    assert {name: number for name, number in counts.items() if name.startswith("changes") and number} == {}
    assert state(engine) == held
    assert province.query(sa.select(tables.link)) == links
