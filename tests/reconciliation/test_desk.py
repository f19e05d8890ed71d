"""A steward's desk: cases are handed out once, held by a number, decided by who holds them, and undone in time."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from reconciliation import review, reviewing
from reconciliation.desk import LEASE, UNDO, Filter, Stage, Steward
from reconciliation.errors import CaseTakenError, RejectedRequestError
from reconciliation.model import CaseKind, Decision, State, TouchKind
from reconciliation.store.engine import connect
from tests.benchmarks import console
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, check, check_settled, doubtful, person

LAN, MINH = Steward(name="lan"), Steward(name="minh")


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Three records with units that no list has, and a pair that may be one person."""
    province = Province(engine)
    people = [person(key, unit_code=code, personal_number=None, full_name=f"Vàng {key}", birth_year=1950 + number)
              for number, (key, code) in enumerate([("A", "99997"), ("B", "99998"), ("C", "99998")])]  # fmt: skip
    province.push(YEN_BAI, *people, doubtful("D"))
    province.push(LAO_CAI, doubtful("E", full_name="Vàng Thị Sáu", sex="male"))
    province.run()
    return province


def take(province: Province, steward: Steward = LAN, chosen: Filter = reviewing.EVERY_CASE):
    held = reviewing.next_case(province.engine, steward, chosen, now=province.now)
    assert held is not None
    return held


def decide(province: Province, held, decision=Decision.UNIT, value="02671", *, now=None, **said):
    said = {"reason_code": "residence_papers", "undo": UNDO} | said
    return review.judge(
        province.engine,
        held.case.case_id,
        decision=decision,
        value=value,
        steward=held.lease.steward,
        lease_token=held.lease.token,
        version=held.version,
        now=now or province.now,
        **said,
    )


def test_what_makes_somebody_be_taken_for_somebody_else_is_handed_out_first(province):
    kinds = [take(province).case.kind for _ in range(4)]

    assert kinds == [CaseKind.DOUBTFUL_MATCH, *[CaseKind.UNKNOWN_UNIT] * 3]
    assert reviewing.next_case(province.engine, MINH, now=province.now) is None
    assert len(reviewing.leases(province.engine, LAN, now=province.now)) == 4


def test_many_stewards_at_once_are_handed_different_cases(province):
    people = [person(f"X{n}", unit_code="99996", personal_number=None, full_name=f"Lý {n}", birth_year=1900 + n)
              for n in range(60)]  # fmt: skip
    province.push(YEN_BAI, *people)
    province.run()

    def all_of(name: str) -> list[int]:
        taken = []
        while held := reviewing.next_case(province.engine, Steward(name=name), now=province.now):
            taken.append(held.case.case_id)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [case_id for one in pool.map(all_of, [f"s{n}" for n in range(8)]) for case_id in one]

    assert sorted(taken) == sorted(case.case_id for case in province.cases())


@pytest.mark.parametrize("steward", [
    Steward(name="lan", province_codes=("01",)), Steward(name="lan", kinds=(CaseKind.TWO_INSURANCE_BOOKS,)),
])  # fmt: skip
def test_a_steward_is_handed_and_shown_what_is_theirs_only(province, steward):
    case_id = province.cases()[0].case_id

    assert reviewing.next_case(province.engine, steward, now=province.now) is None
    assert reviewing.list_cases(province.engine, steward, now=province.now) == []
    with pytest.raises(RejectedRequestError, match="no case"):
        reviewing.claim(province.engine, case_id, steward=steward, now=province.now)
    with pytest.raises(RejectedRequestError, match="no case"):
        reviewing.history(province.engine, case_id, steward=steward)


def test_a_filter_narrows_what_is_handed_out_and_its_list_can_be_paged(province):
    everything = reviewing.list_cases(province.engine, LAN, now=province.now)
    first = reviewing.list_cases(province.engine, LAN, limit=2, now=province.now)
    rest = reviewing.list_cases(province.engine, LAN, after=first[-1].place, limit=9, now=province.now)

    assert [*first, *rest] == everything
    assert type(first[-1].place).read(str(first[-1].place)) == first[-1].place
    causes = [line.cause for line in everything]
    assert len(set(causes)) == 3
    alike = max(causes, key=causes.count)
    held = take(province, chosen=Filter(cause=alike))
    assert held.case.evidence["sent_code"] == "99998"
    (mine,) = reviewing.list_cases(province.engine, LAN, Filter(held_by="lan"), now=province.now)
    assert (mine.leased_by, mine.leased_until) == ("lan", province.now + LEASE)


def test_f17_of_two_stewards_on_one_case_the_other_is_told_who_decided_what_and_when(province):
    held = take(province)
    later = province.now + LEASE + timedelta(seconds=1)
    other = reviewing.claim(province.engine, held.case.case_id, steward=MINH, now=later)
    decide(province, other, Decision.NOT_SAME, None, reason_code="twins", now=later)
    before = province.dump()

    with pytest.raises(CaseTakenError) as lost:
        decide(province, held, Decision.SAME, None, reason_code="same_papers", now=later)

    told = lost.value
    assert (told.reason, told.steward, told.at) == ("CASE_DECIDED", "minh", later)
    assert (told.decision, told.stage) == (Decision.NOT_SAME, Stage.UNDOABLE)
    assert province.dump() == before


def test_while_somebody_holds_a_case_nobody_else_takes_or_decides_it(province):
    held = take(province)

    with pytest.raises(CaseTakenError, match=r"held by lan until \d\d:\d\d") as taken:
        reviewing.claim(province.engine, held.case.case_id, steward=MINH, now=province.now)
    with pytest.raises(CaseTakenError, match="held by lan"):
        province.judge(held.case, Decision.NOT_SAME)

    assert (taken.value.steward, taken.value.at) == ("lan", held.lease.until)


def test_f17_a_lease_that_ran_out_decides_nothing_even_when_nobody_else_took_the_case(province):
    held = take(province)
    later = held.lease.until

    for attempt in (lambda: decide(province, held, Decision.SAME, None, reason_code="same_papers", now=later),
                    lambda: reviewing.renew(province.engine, held.lease, now=later)):  # fmt: skip
        with pytest.raises(RejectedRequestError, match="no longer held") as lost:
            attempt()
        assert lost.value.reason == "LEASE_LOST"

    again = reviewing.claim(province.engine, held.case.case_id, steward=LAN, now=later)
    assert again.lease.token == held.lease.token + 1
    with pytest.raises(RejectedRequestError, match="no longer held"):
        decide(province, held, Decision.SAME, None, reason_code="same_papers", now=later)
    decide(province, again, Decision.SAME, None, reason_code="same_papers", now=later)


def test_a_lease_lives_as_long_as_it_is_renewed_and_ends_when_the_case_is_laid_back(province):
    held = take(province)

    renewed = reviewing.renew(province.engine, held.lease, now=province.now + LEASE / 2)
    assert renewed.until == province.now + LEASE * 1.5
    assert reviewing.claim(province.engine, held.case.case_id, steward=LAN, now=province.now).lease.token == 1
    assert reviewing.release(province.engine, renewed, now=province.now)

    assert not reviewing.release(province.engine, renewed, now=province.now)
    assert take(province, MINH).case == held.case


def test_nothing_comes_of_a_judgement_that_is_undone_in_time(province):
    held = take(province, chosen=Filter(kind=CaseKind.UNKNOWN_UNIT))
    before = province.query(sa.select(sa.text("*")).select_from(sa.text("update_state ORDER BY record_id")))

    judgement = decide(province, held)
    assert reviewing.next_case(province.engine, MINH, Filter(cause="none"), now=province.now) is None
    assert review.put_in_force(province.engine, now=province.now + UNDO / 2) == {"in_force": 0, "void": 0}
    review.undo(province.engine, judgement.judgement_id, steward="lan", now=province.now + UNDO / 2)

    assert review.put_in_force(province.engine, now=province.now + UNDO) == {"in_force": 0, "void": 0}
    assert province.query(sa.select(sa.text("*")).select_from(sa.text("update_state ORDER BY record_id"))) == before
    assert reviewing.claim(province.engine, held.case.case_id, steward=LAN, now=province.now).case == held.case
    check(province)


def test_a_judgement_is_in_force_once_its_time_for_undoing_is_over(province):
    held = take(province, chosen=Filter(kind=CaseKind.UNKNOWN_UNIT))
    judgement = decide(province, held)
    key = held.case.record_keys[0].split("|")[1]
    assert province.state(YEN_BAI, key) is State.AWAITING_UNIT

    assert review.put_in_force(province.engine, now=province.now + UNDO) == {"in_force": 1, "void": 0}
    assert review.put_in_force(province.engine, now=province.now + UNDO) == {"in_force": 0, "void": 0}

    assert province.state(YEN_BAI, key) is State.AWAITING_RECONCILIATION
    with pytest.raises(RejectedRequestError, match="no longer be undone"):
        review.undo(province.engine, judgement.judgement_id, steward="lan", now=province.now + UNDO)
    province.run()
    assert province.state(YEN_BAI, key) is State.AWAITING_PULL
    check_settled(province)


def test_nobody_undoes_what_somebody_else_decided(province):
    judgement = decide(province, take(province, chosen=Filter(kind=CaseKind.UNKNOWN_UNIT)))

    with pytest.raises(RejectedRequestError, match="no longer be undone"):
        review.undo(province.engine, judgement.judgement_id, steward="minh", now=province.now)


def test_a_withdrawal_whose_update_changed_before_it_was_in_force_is_void_and_asked_again(province):
    held = take(province, chosen=Filter(cause=None, kind=CaseKind.UNKNOWN_UNIT))
    key = held.case.record_keys[0].split("|")[1]
    decide(province, held, Decision.WITHDRAW, None, reason_code="sent_by_mistake")
    province.push(YEN_BAI, person(key, unit_code="99997", personal_number=None, source_version=2))

    assert review.put_in_force(province.engine, now=province.now + UNDO) == {"in_force": 0, "void": 1}

    told = reviewing.history(province.engine, held.case.case_id, steward=LAN)
    assert [one.judgement.reason_code for one in told if one.judgement] == ["sent_by_mistake", "void"]
    assert take(province, MINH, Filter(kind=CaseKind.UNKNOWN_UNIT)).case.case_id == held.case.case_id


def test_a_double_click_is_one_judgement(province):
    held = take(province)

    first = decide(province, held, Decision.NOT_SAME, None, reason_code="twins")

    assert decide(province, held, Decision.NOT_SAME, None, reason_code="twins").judgement_id == first.judgement_id
    with pytest.raises(CaseTakenError, match="lan"):
        decide(province, held, Decision.SAME, None, reason_code="same_papers")


def test_what_was_looked_at_is_what_is_decided_on(province):
    held = take(province, chosen=Filter(kind=CaseKind.UNKNOWN_UNIT))
    key = held.case.record_keys[0].split("|")[1]
    province.push(YEN_BAI, person(key, unit_code="99990", personal_number=None, source_version=2))

    with pytest.raises(RejectedRequestError, match="something else") as changed:
        decide(province, held)

    assert changed.value.reason == "CASE_CHANGED"


@pytest.mark.parametrize(("code", "words"), [("twins", ""), ("unheard", ""), ("other", " "), ("law", "and words")])
def test_a_reason_is_of_the_list_and_words_go_with_other_alone(province, code, words):
    with pytest.raises(RejectedRequestError, match="The reason") as refused:
        decide(province, take(province, chosen=Filter(kind=CaseKind.UNKNOWN_UNIT)), reason_code=code, reason=words)

    assert refused.value.reason == "REASON_INVALID"


def test_a_case_that_is_skipped_is_handed_to_others_and_to_oneself_the_next_day(province):
    held = take(province)

    reviewing.skip(province.engine, held.lease, reason_code="knows_the_person", now=province.now)

    assert take(province, LAN).case != held.case
    assert take(province, MINH).case == held.case
    province.day += 1
    assert take(province, LAN).case == held.case


def test_the_clock_stands_still_while_the_province_has_the_word(province):
    held = take(province)
    key = held.case.record_keys[0].split("|")[1]

    until = reviewing.ask(province.engine, held.lease, reason_code="papers_needed", working_days=2, now=province.now)

    (asked,) = reviewing.list_cases(province.engine, LAN, Filter(stage=Stage.ASKED), now=province.now)
    assert (asked.case.case_id, asked.asked_until) == (held.case.case_id, until)
    assert asked.case.deadline > held.case.deadline
    waiting = province.query(sa.select(sa.text("deadline")).select_from(sa.text(
        f"update_state JOIN record_head USING (record_id) WHERE source_record_id = '{key}'")))  # fmt: skip
    assert waiting == [{"deadline": asked.case.deadline}]
    assert take(province, MINH).case != held.case
    check(province)

    reviewing.answer(province.engine, held.case.case_id, by="yen-bai", words="Có giấy khai sinh", now=province.now)
    back = take(province, MINH)
    assert (back.case.case_id, back.case.deadline) == (held.case.case_id, held.case.deadline)
    told = reviewing.history(province.engine, held.case.case_id, steward=LAN)
    assert [one.touch.action for one in told if one.touch] == [
        TouchKind.CLAIMED, TouchKind.ASKED, TouchKind.ANSWERED, TouchKind.CLAIMED,
    ]  # fmt: skip


def test_a_province_that_does_not_answer_in_time_loses_the_word(province):
    held = take(province)
    until = reviewing.ask(province.engine, held.lease, reason_code="papers_needed", now=province.now)

    later = until + timedelta(seconds=1)
    again = reviewing.next_case(province.engine, MINH, now=later)

    assert again is not None
    assert again.case.case_id == held.case.case_id
    with pytest.raises(RejectedRequestError, match="Nobody waits"):
        reviewing.answer(province.engine, held.case.case_id, by="yen-bai", words="muộn", now=later)


def test_a_unit_in_another_province_and_a_question_decided_before_take_a_second_person(province):
    held = take(province, chosen=Filter(kind=CaseKind.UNKNOWN_UNIT))
    abroad = decide(province, held, value="00004")
    assert abroad.needs_approval
    (waiting,) = reviewing.list_cases(province.engine, MINH, Filter(stage=Stage.PROPOSED), now=province.now)
    assert waiting.judged_by == abroad.judgement_id

    review.approve(province.engine, abroad.judgement_id, steward="minh", now=province.now)
    review.reverse(province.engine, abroad.judgement_id, reason_code="mistake", steward="minh", now=province.now)

    again = reviewing.claim(province.engine, held.case.case_id, steward=LAN, now=province.now)
    assert decide(province, again, value="02671").needs_approval


@pytest.mark.parametrize("chosen", [{}, {"full_name": "E"}, {"full_name": "D"}, {"full_name": "E", "birth_year": "D"}])
def test_a_merge_takes_each_field_from_the_record_that_was_chosen_and_parts_again(province, chosen):
    held = take(province)
    source_of = {"D": YEN_BAI, "E": LAO_CAI}
    fields = {field: f"{source_of[key]}|{key}" for field, key in chosen.items()}
    judgement = decide(province, held, Decision.SAME, None, reason_code="same_papers", merged_fields=fields)
    review.put_in_force(province.engine, now=province.now + UNDO)

    province.run()
    check_settled(province)
    (one,) = [row for row in province.published().values() if row["birth_year"] == 1975]
    wanted = {"D": "Vàng Thị Sáo", "E": "Vàng Thị Sáu"}
    by_rule = one["full_name"] if "full_name" not in chosen else wanted[chosen["full_name"]]
    assert one["full_name"] == by_rule
    assert judgement.merged_fields == (fields or None)
    said = {row["record_id"] for row in province.query(sa.select(sa.column("record_id")).select_from(sa.text(
        "person_record")).where(sa.text(f"full_name = '{one['full_name']}'")))}  # fmt: skip
    assert json.loads(one["provenance"])["full_name"] in said

    review.reverse(province.engine, judgement.judgement_id, reason_code="mistake", steward="minh", now=province.now)
    province.run()
    check_settled(province)
    assert province.case(CaseKind.DOUBTFUL_MATCH).fingerprint == held.case.fingerprint


def test_fields_are_merged_of_the_cases_own_records_and_by_their_first(province):
    held = take(province)
    for fields in (
        {"full_name": "elsewhere|1"},
        {"birth_day": held.case.record_keys[0]},
        {"shoe": held.case.record_keys[0]},
    ):
        with pytest.raises(RejectedRequestError, match=r"merged of|by itself"):
            decide(province, held, Decision.SAME, None, reason_code="same_papers", merged_fields=fields)


def test_the_kinds_of_a_filter_are_counted_as_they_are_listed(province):
    engine, now = province.engine, province.now
    held = take(province)
    here, there = Steward(name="lan", province_codes=("15",)), Steward(name="lan", province_codes=("01",))
    one_kind = Steward(name="lan", kinds=(held.case.kind,))
    chosen = [Filter(), Filter(kind=held.case.kind), Filter(held_by="lan"), Filter(province_code="01"),
              Filter(stage=Stage.PROPOSED), Filter(due_before=held.case.deadline + timedelta(seconds=1))]  # fmt: skip

    for asked in chosen:
        listed = reviewing.list_cases(engine, here, asked, now=now, limit=1_000)
        assert reviewing.count_kinds(engine, [here], asked, now=now) == Counter(line.case.kind for line in listed)
    every = reviewing.count_kinds(engine, [here], now=now)
    assert len(every) > 1
    assert reviewing.count_kinds(engine, [here, one_kind, there], now=now) == every  # nothing is counted twice
    assert reviewing.count_kinds(engine, [there, one_kind], now=now) == {held.case.kind: every[held.case.kind]}
    assert reviewing.count_kinds(engine, [], now=now) == {}


def test_f16_the_next_case_and_lists_are_read_from_an_index(database_url):
    console.fill(database_url, open_cases=20_000, decided=5_000)
    engine = connect(database_url)
    plans = []

    @sa.event.listens_for(engine, "before_execute", retval=False)
    def _keep(connection, statement, *_):
        if isinstance(statement, sa.Select):
            plans.append(statement)

    lists = [Filter(), Filter(kind=CaseKind.MISSING_VERSION), Filter(province_code="15")]
    for chosen in lists:
        assert reviewing.next_case(engine, LAN, chosen, now=console.NOW) is not None
        last = reviewing.list_cases(engine, LAN, chosen, limit=50, now=console.NOW)[-1]
        assert len(reviewing.list_cases(engine, LAN, chosen, after=last.place, limit=50, now=console.NOW)) == 50
    sa.event.remove(engine, "before_execute", _keep)
    said = [(one, str(one.compile(dialect=postgresql.dialect()))) for one in plans]
    asked = [one for one, text in said if 'ORDER BY "case".risk' in text]
    remembered = [one for one, text in said if 'FROM judgement JOIN "case"' in text]

    assert (len(asked), len(remembered)) == (3 * len(lists), 2 * len(lists))
    with engine.connect() as connection:

        def plan_of(statement: sa.Select) -> str:
            text = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
            return "\n".join(connection.exec_driver_sql(f"EXPLAIN {text}", text.params).scalars())

        for plan in map(plan_of, asked):
            assert "case_desk" in plan, plan
            assert 'Seq Scan on "case"' not in plan, plan
            assert "Sort" not in plan or "LockRows" not in plan, plan
        for plan in map(plan_of, remembered):
            assert 'Seq Scan on "case"' not in plan, plan
    engine.dispose()
