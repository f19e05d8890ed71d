"""Stewards over the wire: who may speak for whom, a case from being taken to being made general, and who was first."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from itertools import chain
from typing import Any, TypeAlias

import grpc
import pytest
import sqlalchemy as sa

from gateway.identity import Role
from gateway.v1 import stewardship_pb2 as pb
from gateway.v1 import stewardship_pb2_grpc
from gateway.wire.faults import read_call_error
from gateway.wire.stewardship import read_decision, write_stage
from reconciliation import agreement, generalising, review, reviewing
from reconciliation.desk import Stage, Steward
from reconciliation.model import CaseKind, Decision, Judgement, State, StewardGrant
from reconciliation.store import grants
from reconciliation.store.registers import stewards
from tests.gateway.certificates import Certified, _issue
from tests.gateway.conftest import Serve
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, person

LAN, MINH = "lan", "minh"
PAPERS = pb.Because(reason_code="residence_papers")
Stub: TypeAlias = "stewardship_pb2_grpc.StewardshipServiceAsyncStub"


def granted(name: str, **changes: Any) -> StewardGrant:
    said: dict[str, Any] = {
        "steward": name,
        "identity_uris": (f"spiffe://lienthong/steward/{name}",),
        "province_codes": ("15",),
        "kinds": (),
        "may_approve": True,
        "purpose": "quyết định hồ sơ",
        "legal_reference": "Nghị định 1",
        "granted_from": date(2025, 7, 1),
    }
    return StewardGrant(**(said | changes))


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    """Four records with a unit that no list has, and two stewards."""
    province = Province(engine)
    alike = {"unit_code": "99998", "personal_number": None}
    people = [person(f"A{n}", full_name=f"Lý Thị {n}", birth_year=1900 + n, **alike) for n in range(4)]
    province.push(YEN_BAI, *people)
    province.run()
    for name in (LAN, MINH):
        stewards.give(engine, granted(name), by="tester", now=province.now)
    return province


def called(serve: Serve, province: Province, work: Callable[[Stub], Awaitable[Any]], **options: Any) -> Any:
    """What `work` returns, or the reason and the facts of the refusal."""

    async def run() -> Any:
        async with serve(clock=lambda: province.now, **options) as channel:
            stub: Stub = stewardship_pb2_grpc.StewardshipServiceStub(channel)
            try:
                return await work(stub)
            except grpc.aio.AioRpcError as error:
                return read_call_error(error)

    return asyncio.run(run())


async def take(stub: Stub, steward: str = LAN) -> pb.HeldCase:
    return (await stub.NextCase(pb.NextCaseRequest(steward=steward), timeout=20)).held


async def judge(stub: Stub, held: pb.HeldCase, steward: str = LAN, **said: Any) -> pb.StewardJudgement:
    chosen = {"decision": pb.DECISION_UNIT, "value": "02671", "because": PAPERS} | said
    request = pb.JudgeCaseRequest(steward=steward, lease=held.lease, version=held.version, **chosen)
    return (await stub.JudgeCase(request, timeout=20)).judgement


def test_a_case_is_taken_decided_and_undone(serve: Serve, province: Province) -> None:
    async def work(stub: Stub) -> None:
        held = await take(stub)
        assert (held.case.kind, held.case.province_code) == (CaseKind.UNKNOWN_UNIT, "15")
        renewed = await stub.RenewLease(pb.RenewLeaseRequest(steward=LAN, lease=held.lease), timeout=20)
        assert renewed.lease.token == held.lease.token
        judged = await judge(stub, held)
        assert (judged.steward, judged.because.reason_code, judged.HasField("undo_until")) == (
            LAN,
            PAPERS.reason_code,
            True,
        )
        undo = pb.UndoJudgementRequest(steward=LAN, judgement_id=judged.judgement_id)
        undone = (await stub.UndoJudgement(undo, timeout=20)).judgement
        assert undone.reverses == judged.judgement_id
        asked = pb.GetCaseHistoryRequest(steward=LAN, case_id=held.case.case_id)
        told = await stub.GetCaseHistory(asked, timeout=20)
        assert [event.what for event in told.events] == ["claimed", "judged", "reversed"]
        assert told.stage == pb.CASE_STAGE_OPEN

    assert called(serve, province, work) is None


def test_who_comes_late_is_told_who_was_first_and_with_what(serve: Serve, province: Province) -> None:
    async def work(stub: Stub) -> None:
        held = await take(stub)
        with pytest.raises(grpc.aio.AioRpcError) as taken:
            await stub.ClaimCase(pb.ClaimCaseRequest(steward=MINH, case_id=held.case.case_id), timeout=20)
        facts = read_call_error(taken.value)
        assert (facts.reason, facts.facts["steward"]) == ("CASE_HELD", LAN)
        await judge(stub, held)
        await stub.ClaimCase(pb.ClaimCaseRequest(steward=MINH, case_id=held.case.case_id), timeout=20)

    late = called(serve, province, work)

    assert late.reason == "CASE_DECIDED"
    assert {name: late.facts[name] for name in ("steward", "decision", "judgement_id", "stage")} == {
        "steward": LAN, "decision": "unit", "judgement_id": "1", "stage": "undoable",
    }  # fmt: skip
    assert late.facts["at"] == province.now.isoformat()


def test_a_judgement_comes_into_force_by_itself_and_a_work_runs_by_itself(serve: Serve, province: Province) -> None:
    async def work(stub: Stub) -> pb.StewardWork:
        judged = await judge(stub, await take(stub))
        preview = pb.PreviewWorkRequest(steward=LAN, judgement_id=judged.judgement_id)
        shown = await stub.PreviewWork(preview, timeout=20)
        assert (shown.accepted, shown.needs_second) == (3, False)
        begin = pb.StartWorkRequest(steward=LAN, judgement_id=judged.judgement_id, confirmed=3)
        begun = (await stub.StartWork(begin, timeout=20)).work
        province.day += 1
        async with asyncio.timeout(20):
            while (
                found := await stub.GetWork(pb.GetWorkRequest(steward=LAN, work_id=begun.work_id), timeout=20)
            ).work.pending:
                await asyncio.sleep(0.02)
            while any(province.state(YEN_BAI, f"A{n}") is State.AWAITING_UNIT for n in range(4)):
                await asyncio.sleep(0.02)
        assert found.at_most_wrong == 1.0
        return found.work

    done = called(serve, province, work)

    assert (done.done, done.refused) == (3, 0)


def test_lists_are_paged_and_a_skipped_or_asked_case_is_not_handed_out(serve: Serve, province: Province) -> None:
    async def work(stub: Stub) -> None:
        pages: list[list[int]] = []
        token = ""
        while not pages or token:
            request = pb.ListCasesRequest(steward=LAN, page_size=3, page_token=token)
            answer = await stub.ListCases(request, timeout=20)
            pages.append([line.case.case_id for line in answer.cases])
            token = answer.next_page_token
        assert [len(page) for page in pages] == [3, 1]
        skipped, asked = await take(stub), await take(stub)
        because = pb.Because(reason_code="other", words="cần xem lại")
        await stub.ReleaseCase(pb.ReleaseCaseRequest(steward=LAN, lease=skipped.lease, because=because), timeout=20)
        question = pb.AskProvinceRequest(
            steward=LAN, lease=asked.lease, because=pb.Because(reason_code="papers_needed")
        )
        until = (await stub.AskProvince(question, timeout=20)).until.ToDatetime()
        assert until > province.now.replace(tzinfo=None) + timedelta(days=1)
        rest = [(await take(stub)).case.case_id for _ in range(2)]
        assert sorted([*rest, skipped.case.case_id, asked.case.case_id]) == sorted(chain(*pages))
        waiting = pb.ListCasesRequest(steward=LAN, stage=pb.CASE_STAGE_ASKED)
        (line,) = (await stub.ListCases(waiting, timeout=20)).cases
        assert line.case.case_id == asked.case.case_id

    assert called(serve, province, work) is None


def test_a_province_hears_what_it_is_asked_and_its_answer_comes_back(serve: Serve, province: Province) -> None:
    words = pb.Because(reason_code="other", words="Ở xã nào?")

    async def refused(stub: Stub, source_id: str, case_id: int, words: str) -> str:
        request = pb.AnswerQuestionRequest(source_id=source_id, case_id=case_id, words=words)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.AnswerQuestion(request, timeout=20)
        return str(read_call_error(error.value).reason)

    async def work(stub: Stub) -> None:
        asked = [await take(stub) for _ in range(3)]
        for held in asked[:2]:
            await stub.AskProvince(pb.AskProvinceRequest(steward=LAN, lease=held.lease, because=words), timeout=20)
        one, other = sorted(held.case.case_id for held in asked[:2])
        first = await stub.ListQuestions(pb.ListQuestionsRequest(source_id=YEN_BAI, page_size=1), timeout=20)
        more = pb.ListQuestionsRequest(source_id=YEN_BAI, page_token=first.next_page_token)
        rest = await stub.ListQuestions(more, timeout=20)
        assert [question.case_id for question in (*first.questions, *rest.questions)] == [one, other]
        assert rest.next_page_token == ""
        (question,) = first.questions
        (record,) = next(held.case.record_keys for held in asked if held.case.case_id == one)
        assert [f"{YEN_BAI}|{key}" for key in question.source_record_ids] == [record]
        assert (question.because, question.kind) == (words, CaseKind.UNKNOWN_UNIT)
        elsewhere = await stub.ListQuestions(pb.ListQuestionsRequest(source_id=LAO_CAI), timeout=20)
        assert not elsewhere.questions

        answer = pb.AnswerQuestionRequest(source_id=YEN_BAI, case_id=one, words="Xã Lùng Phình")
        for _ in range(2):  # a lost reply is asked for again
            await stub.AnswerQuestion(answer, timeout=20)
        told = await stub.GetCaseHistory(pb.GetCaseHistoryRequest(steward=MINH, case_id=one), timeout=20)
        assert [(event.what, event.by, event.words) for event in told.events][1:] == [
            ("asked", LAN, words.words), ("answered", YEN_BAI, "Xã Lùng Phình"),
        ]  # fmt: skip
        await stub.ClaimCase(pb.ClaimCaseRequest(steward=MINH, case_id=one), timeout=20)
        assert [
            await refused(stub, YEN_BAI, one, "Xã khác"),
            await refused(stub, YEN_BAI, asked[2].case.case_id, "Xã khác"),
            await refused(stub, LAO_CAI, other, "Xã khác"),
            await refused(stub, "nowhere.population", other, "Xã khác"),
        ] == ["NOT_ASKED", "NOT_ASKED", "CASE_UNKNOWN", "SOURCE_UNKNOWN"]

    assert called(serve, province, work) is None


@pytest.mark.parametrize(
    ("shown", "may"),
    [((Role.SOURCE, YEN_BAI), True), ((Role.SOURCE, LAO_CAI), False), ((Role.STEWARD, LAN), False)],
)
def test_a_province_is_answered_for_by_who_may_push_for_the_source(
    serve: Serve, province: Province, certified: Certified, shown: tuple[Role, str], may: bool
) -> None:
    async def work(stub: Stub) -> None:
        await stub.ListQuestions(pb.ListQuestionsRequest(source_id=YEN_BAI), timeout=20)

    found = called(serve, province, work, tls=certified, credentials=_issue(certified.authority, *shown))

    assert found is None if may else str(found.reason) == "NOT_ENTITLED"


def decided(province: Province) -> Judgement:
    """Lan's decision on the first case, in force."""
    said: dict[str, Any] = {"decision": Decision.UNIT, "value": "02671", "reason_code": "residence_papers"}
    return review.judge(province.engine, province.cases()[0].case_id, steward=LAN, now=province.now, **said)


def test_a_second_review_is_answered_once_by_somebody_who_is_not_told_the_first_answer(
    serve: Serve, province: Province
) -> None:
    first = decided(province)
    agreement.mark_known(province.engine, first.judgement_id, by="tester", now=province.now)
    said: dict[str, Any] = {"judgement_id": first.judgement_id, "decision": pb.DECISION_UNIT}

    async def work(stub: Stub) -> None:
        look = await stub.NextSecondReview(pb.NextSecondReviewRequest(steward=MINH), timeout=20)
        assert look.judgement_id == first.judgement_id
        assert "02671" not in str(look)
        assert not look.case.seen_before
        for value in ("02683", "02671"):  # the first answer counts
            await stub.AnswerSecondReview(pb.AnswerSecondReviewRequest(steward=MINH, value=value, **said), timeout=20)
        own = await stub.NextSecondReview(pb.NextSecondReviewRequest(steward=LAN), timeout=20)
        assert not own.HasField("case")
        await stub.AnswerSecondReview(pb.AnswerSecondReviewRequest(steward=LAN, value="02671", **said), timeout=20)

    assert called(serve, province, work).reason == "DECISION_INVALID"
    (lan, minh) = agreement.agreements(province.engine)
    assert (lan.with_known.of, minh.with_known) == (0, agreement.Share(agreed=0, of=1))


def test_how_stewards_agree_is_told_page_by_page_to_who_may_approve(serve: Serve, province: Province) -> None:
    first = decided(province)
    agreement.mark_known(province.engine, first.judgement_id, by="tester", now=province.now)
    for name, changes in (("hoa", {"may_approve": False}), ("xa", {"province_codes": ("01",)})):
        stewards.give(province.engine, granted(name, **changes), by="tester", now=province.now)
    for name, value in ((MINH, "02671"), ("hoa", "02683")):
        said: dict[str, Any] = {"decision": Decision.UNIT, "value": value, "steward": Steward(name=name)}
        agreement.answer(province.engine, first.judgement_id, now=province.now, **said)

    async def listed(stub: Stub, steward: str, token: str = "") -> pb.ListAgreementsResponse:
        request = pb.ListAgreementsRequest(steward=steward, page_size=2, page_token=token)
        return await stub.ListAgreements(request, timeout=20)

    async def work(stub: Stub) -> None:
        page = await listed(stub, LAN)
        rest = await listed(stub, LAN, page.next_page_token)
        found = {one.steward: one for one in chain(page.agreements, rest.agreements)}
        assert (list(found), len(page.agreements), rest.next_page_token) == (["hoa", LAN, MINH], 2, "")
        right, wrong = found[MINH].with_known, found["hoa"].with_known
        assert (right.agreed, right.of, wrong.agreed, wrong.of) == (1, 1, 0, 1)
        assert 0.2 < right.at_least < right.at_most == 1.0
        assert 0.0 == wrong.at_least < wrong.at_most < 0.8
        assert (found[LAN].with_known.of, found[LAN].with_known.at_most) == (0, 1.0)
        assert not found[MINH].HasField("kappa")
        assert not (await listed(stub, "xa")).agreements
        await listed(stub, "hoa")

    assert called(serve, province, work).reason == "NOT_ENTITLED"


def test_works_are_listed_with_what_they_hold_back(serve: Serve, province: Province) -> None:
    cases = province.cases()
    first = decided(province)
    asked = reviewing.claim(province.engine, cases[1].case_id, steward=Steward(name=LAN), now=province.now)
    reviewing.ask(province.engine, asked.lease, reason_code="papers_needed", now=province.now)
    begun = generalising.start(
        province.engine, first.judgement_id, steward=Steward(name=LAN), typed_count=2, now=province.now
    )
    reviewing.claim(province.engine, cases[2].case_id, steward=Steward(name=MINH), now=province.now)
    stewards.give(province.engine, granted("xa", province_codes=("01",)), by="tester", now=province.now)

    async def work(stub: Stub) -> None:
        async with asyncio.timeout(20):
            while (found := await stub.ListWorks(pb.ListWorksRequest(steward=MINH), timeout=20)).works[0].done < 1:
                await asyncio.sleep(0.02)
        (shown,) = found.works
        assert (shown.work_id, shown.done, shown.pending, shown.held) == (begun.work_id, 1, 1, 1)
        assert [(one.reason, one.cases) for one in shown.left_alone] == [("PROVINCE_ASKED", 1)]
        assert (await stub.GetWork(pb.GetWorkRequest(steward=LAN, work_id=begun.work_id), timeout=20)).work == shown
        reverse = pb.ReverseWorkRequest(steward=LAN, work_id=begun.work_id, because=pb.Because(reason_code="mistake"))
        back = (await stub.ReverseWork(reverse, timeout=20)).work
        page = await stub.ListWorks(pb.ListWorksRequest(steward=LAN, page_size=1), timeout=20)
        rest = pb.ListWorksRequest(steward=LAN, page_size=1, page_token=page.next_page_token)
        older = await stub.ListWorks(rest, timeout=20)
        assert [one.work_id for one in (*page.works, *older.works)] == [back.work_id, begun.work_id]
        assert older.next_page_token == ""
        assert not (await stub.ListWorks(pb.ListWorksRequest(steward="xa"), timeout=20)).works
        made_up = "x"
        await stub.ListWorks(pb.ListWorksRequest(steward=LAN, page_token=made_up), timeout=20)

    assert called(serve, province, work).reason == "FIELD_INVALID"


def test_a_work_is_sampled_and_checked_by_another_person(serve: Serve, province: Province) -> None:
    steward = Steward(name=LAN)
    work = generalising.start(
        province.engine, decided(province).judgement_id, steward=steward, typed_count=3, now=province.now
    )
    stewards.give(province.engine, granted("hoa", province_codes=("01",)), by="tester", now=province.now)
    named: dict[str, Any] = {"work_id": work.work_id}

    async def draw(stub: Stub, name: str, size: int = 0) -> list[int]:
        return list(
            (await stub.DrawSample(pb.DrawSampleRequest(steward=name, size=size, **named), timeout=20)).case_ids
        )

    async def refused(answer: Awaitable[Any]) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await answer
        return str(read_call_error(error.value).reason)

    async def work_on(stub: Stub) -> None:
        async with asyncio.timeout(20):
            while (await stub.GetWork(pb.GetWorkRequest(steward=MINH, **named), timeout=20)).work.pending:
                await asyncio.sleep(0.02)
        drawn = await draw(stub, MINH)
        assert len(drawn) == 3
        assert await draw(stub, MINH, 2) == drawn[:2] == await draw(stub, LAN, 2)
        one, other, _ = drawn
        asked = [
            pb.CheckCaseRequest(steward=MINH, case_id=case_id, is_right=case_id == one, **named) for case_id in drawn
        ]
        await stub.CheckCase(asked[0], timeout=20)
        found = await stub.CheckCase(asked[1], timeout=20)
        assert (found.checked, found.wrong) == (2, 1)
        assert 0.9 < found.at_most_wrong < 1
        again = pb.CheckCaseRequest(steward=MINH, case_id=other, is_right=True, **named)
        assert await stub.CheckCase(again, timeout=20) == found
        theirs = pb.CheckCaseRequest(steward=LAN, case_id=one, is_right=True, **named)
        assert [
            await refused(stub.CheckCase(theirs, timeout=20)),
            await refused(draw(stub, "hoa")),
            await refused(stub.DrawSample(pb.DrawSampleRequest(steward=MINH, work_id=10**6), timeout=20)),
        ] == ["DECISION_INVALID", "JUDGEMENT_UNKNOWN", "WORK_UNKNOWN"]

    assert called(serve, province, work_on) is None


def test_who_takes_a_case_is_told_what_was_decided_on_it_before(serve: Serve, province: Province) -> None:
    first = decided(province)
    review.reverse(province.engine, first.judgement_id, reason_code="new_papers", steward=MINH, now=province.now)

    async def work(stub: Stub) -> None:
        case_id = province.cases()[0].case_id
        claimed = await stub.ClaimCase(pb.ClaimCaseRequest(steward=MINH, case_id=case_id), timeout=20)
        (seen,) = claimed.held.case.seen_before
        assert (seen.of, seen.case_id, seen.reversed_by) == (pb.SEEN_OF_QUESTION, case_id, MINH)
        assert (seen.judgement.steward, seen.judgement.value, seen.judgement.decision) == (
            LAN, "02671", pb.DECISION_UNIT,
        )  # fmt: skip
        listed = await stub.ListCases(pb.ListCasesRequest(steward=LAN), timeout=20)
        assert not any(line.case.seen_before for line in listed.cases)

    assert called(serve, province, work) is None


@pytest.mark.parametrize(
    ("shown", "named"),
    [
        ((Role.STEWARD, LAN), LAN),
        ((Role.STEWARD, LAN), MINH),
        ((Role.STEWARD, LAN), "nobody"),
        ((Role.OPERATOR, "admin"), LAN),
        ((Role.SOURCE, LAN), LAN),
    ],
)
def test_a_certificate_speaks_for_the_steward_whose_grant_names_it(
    serve: Serve, province: Province, certified: Certified, shown: tuple[Role, str], named: str
) -> None:
    async def work(stub: Stub) -> None:
        await take(stub, named)

    found = called(serve, province, work, tls=certified, credentials=_issue(certified.authority, *shown))

    is_theirs = shown == (Role.STEWARD, named)
    assert found is None if is_theirs else str(found.reason) == "NOT_ENTITLED"


@pytest.mark.parametrize(
    "changes",
    [{"granted_from": date(2026, 1, 1)}, {"granted_until": date(2025, 7, 2)}],
)
def test_a_grant_of_other_days_is_none(serve: Serve, province: Province, changes: dict[str, Any]) -> None:
    stewards.give(province.engine, granted(LAN, **changes), by="tester", now=province.now)

    assert called(serve, province, take).reason == "NOT_ENTITLED"


def test_cases_and_judgements_outside_a_grant_do_not_exist(serve: Serve, province: Province) -> None:
    elsewhere = granted("hoa", province_codes=("01",))
    stewards.give(province.engine, elsewhere, by="tester", now=province.now)

    async def refused(answer: Awaitable[Any]) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await answer
        return str(read_call_error(error.value).reason)

    async def work(stub: Stub) -> list[str]:
        held = await take(stub)
        judged = await judge(stub, held)
        names: dict[str, Any] = {"steward": "hoa", "judgement_id": judged.judgement_id}
        assert not (await stub.NextCase(pb.NextCaseRequest(steward="hoa"), timeout=20)).HasField("held")
        return [
            await refused(stub.ClaimCase(pb.ClaimCaseRequest(steward="hoa", case_id=held.case.case_id), timeout=20)),
            await refused(judge(stub, held, "hoa")),
            await refused(stub.UndoJudgement(pb.UndoJudgementRequest(**names), timeout=20)),
            await refused(stub.ApproveJudgement(pb.ApproveJudgementRequest(**names), timeout=20)),
            await refused(stub.RefuseJudgement(pb.RefuseJudgementRequest(because=PAPERS, **names), timeout=20)),
            await refused(stub.ReverseJudgement(pb.ReverseJudgementRequest(because=PAPERS, **names), timeout=20)),
            await refused(stub.PreviewWork(pb.PreviewWorkRequest(**names), timeout=20)),
        ]

    assert called(serve, province, work) == ["CASE_UNKNOWN"] * 2 + ["JUDGEMENT_UNKNOWN"] * 5


def test_a_proposal_is_approved_by_somebody_else_who_may(serve: Serve, province: Province) -> None:
    stewards.give(province.engine, granted("hoa", may_approve=False), by="tester", now=province.now)

    async def work(stub: Stub) -> list[str]:
        proposed = await judge(stub, await take(stub), value="00004")  # a unit of another province
        assert proposed.needs_approval
        found = []
        for name in (LAN, "hoa", MINH):
            request = pb.ApproveJudgementRequest(steward=name, judgement_id=proposed.judgement_id)
            try:
                found.append((await stub.ApproveJudgement(request, timeout=20)).judgement.approved_by)
            except grpc.aio.AioRpcError as error:
                found.append(str(read_call_error(error).reason))
        return found

    assert called(serve, province, work) == ["DECISION_INVALID", "NOT_ENTITLED", MINH]


def test_a_proposal_is_refused_by_somebody_else_who_may_and_never_after_it_was_approved(
    serve: Serve, province: Province
) -> None:
    stewards.give(province.engine, granted("hoa", may_approve=False), by="tester", now=province.now)
    mistake = pb.Because(reason_code="mistake")

    async def work(stub: Stub) -> list[tuple[str, ...]]:
        async def tried(name: str, judgement_id: int) -> str:
            request = pb.RefuseJudgementRequest(steward=name, judgement_id=judgement_id, because=mistake)
            try:
                answer = await stub.RefuseJudgement(request, timeout=20)
            except grpc.aio.AioRpcError as error:
                return str(read_call_error(error).reason)
            return f"{answer.judgement.steward} took back {answer.judgement.reverses == judgement_id}"

        proposed = await judge(stub, await take(stub), value="00004")  # a unit of another province
        refused = [await tried(name, proposed.judgement_id) for name in (LAN, "hoa", MINH, MINH)]
        again = await judge(stub, await take(stub), value="00004")
        approval = pb.ApproveJudgementRequest(steward=MINH, judgement_id=again.judgement_id)
        await stub.ApproveJudgement(approval, timeout=20)
        return [tuple(refused), (await tried(MINH, again.judgement_id),)]

    refused, after_approval = called(serve, province, work)

    assert refused == ("DECISION_INVALID", "NOT_ENTITLED", f"{MINH} took back True", "DECISION_INVALID")
    assert after_approval == ("DECISION_INVALID",)


def test_a_revoked_grant_is_none_and_its_history_stays(province: Province) -> None:
    engine = province.engine

    assert set(grants.standing(engine).stewards) == {LAN, MINH}
    assert stewards.revoke(engine, LAN, by="second", now=province.now)
    assert not stewards.revoke(engine, LAN, by="second", now=province.now)

    assert set(grants.standing(engine).stewards) == {MINH}
    assert [(entry.recorded_by, entry.is_revoked) for entry in stewards.history(engine, LAN)] == [
        ("tester", False), ("second", True),
    ]  # fmt: skip
    with pytest.raises(sa.exc.ProgrammingError), engine.begin() as connection:
        connection.execute(sa.text("UPDATE steward_grant SET recorded_by = 'nobody'"))


def test_every_decision_and_stage_has_its_number_on_the_wire() -> None:
    numbers = [number for number in pb.Decision.values() if number]
    assert {read_decision(number) for number in numbers} == set(Decision)
    assert {write_stage(stage) for stage in Stage} == {number for number in pb.CaseStage.values() if number}
