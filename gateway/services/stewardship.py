"""StewardshipService: a steward's desk for whoever the steward's grant lets speak; see stewardship.proto."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc

from adapters.catalogue import Catalogue
from gateway import access, identity
from gateway.access import KnownGrants
from gateway.v1 import stewardship_pb2 as pb
from gateway.v1 import stewardship_pb2_grpc
from gateway.wire import stewardship as wire
from gateway.wire.values import write_time
from gateway.workers import Workers
from reconciliation import agreement, generalising, review, reviewing, works
from reconciliation.desk import UNDO, Steward
from reconciliation.lifecycle import VIETNAM

Context = grpc.aio.ServicerContext[Any, Any]

_PAGE = 50
_WORKING_DAYS = 3
_WRONG_AT_MOST = 0.05  # what a sample shows when no size is asked for


@dataclass
class StewardshipService(stewardship_pb2_grpc.StewardshipServiceServicer):
    """Answers stewards and provinces. Every call asks anew whether the caller may speak for whom it names."""

    workers: Workers
    clock: Callable[[], datetime]
    known: KnownGrants
    catalogue: Catalogue

    async def NextCase(self, request: pb.NextCaseRequest, context: Context) -> pb.NextCaseResponse:  # noqa: N802
        """The best case that nobody holds, now the steward's."""
        steward, chosen = await self._steward(request.steward, context), wire.read_filter(request.filter)
        held = await self.workers.store(reviewing.next_case, steward, chosen, now=self.clock())
        return pb.NextCaseResponse(held=None if held is None else wire.write_held(held))

    async def ClaimCase(self, request: pb.ClaimCaseRequest, context: Context) -> pb.ClaimCaseResponse:  # noqa: N802
        """One case, now the steward's."""
        steward = await self._steward(request.steward, context)
        held = await self.workers.store(reviewing.claim, request.case_id, steward=steward, now=self.clock())
        return pb.ClaimCaseResponse(held=wire.write_held(held))

    async def RenewLease(self, request: pb.RenewLeaseRequest, context: Context) -> pb.RenewLeaseResponse:  # noqa: N802
        """The lease with its new end."""
        steward = await self._steward(request.steward, context)
        lease = wire.read_lease(request.lease, steward=steward.name)
        renewed = await self.workers.store(reviewing.renew, lease, now=self.clock())
        return pb.RenewLeaseResponse(lease=wire.write_lease(renewed))

    async def ReleaseCase(self, request: pb.ReleaseCaseRequest, context: Context) -> pb.ReleaseCaseResponse:  # noqa: N802
        """Lays a case back, or skips it."""
        steward = await self._steward(request.steward, context)
        lease = wire.read_lease(request.lease, steward=steward.name)
        if not request.HasField("because"):
            was_held = await self.workers.store(reviewing.release, lease, now=self.clock())
            return pb.ReleaseCaseResponse(was_held=was_held)
        said = request.because
        await self.workers.store(
            reviewing.skip, lease, reason_code=said.reason_code, words=said.words, now=self.clock()
        )
        return pb.ReleaseCaseResponse(was_held=True)

    async def AskProvince(self, request: pb.AskProvinceRequest, context: Context) -> pb.AskProvinceResponse:  # noqa: N802
        """Gives the province the word."""
        steward = await self._steward(request.steward, context)
        until = await self.workers.store(
            reviewing.ask,
            wire.read_lease(request.lease, steward=steward.name),
            reason_code=request.because.reason_code,
            words=request.because.words,
            working_days=request.working_days or _WORKING_DAYS,
            now=self.clock(),
        )
        return pb.AskProvinceResponse(until=write_time(until))

    async def ListQuestions(self, request: pb.ListQuestionsRequest, context: Context) -> pb.ListQuestionsResponse:  # noqa: N802
        """A page of what the source's province is asked."""
        source_id, size = await self._source(request.source_id, context), request.page_size or _PAGE
        found = await self.workers.store(
            reviewing.questions, source_id, after=int(request.page_token or 0), limit=size + 1, now=self.clock()
        )
        token = str(found[size - 1].case_id) if len(found) > size else ""
        return pb.ListQuestionsResponse(questions=map(wire.write_question, found[:size]), next_page_token=token)

    async def AnswerQuestion(self, request: pb.AnswerQuestionRequest, context: Context) -> pb.AnswerQuestionResponse:  # noqa: N802
        """Notes what the province says."""
        source_id = await self._source(request.source_id, context)
        await self.workers.store(
            reviewing.answer,
            request.case_id,
            by=source_id,
            words=request.words,
            of_sources=(source_id,),
            now=self.clock(),
        )
        return pb.AnswerQuestionResponse()

    async def ListCases(self, request: pb.ListCasesRequest, context: Context) -> pb.ListCasesResponse:  # noqa: N802
        """A page of the desk."""
        steward, size = await self._steward(request.steward, context), request.page_size or _PAGE
        found = await self.workers.store(
            reviewing.list_cases,
            steward,
            wire.read_filter(request.filter, stage=request.stage),
            after=wire.read_place(request.page_token),
            limit=size + 1,
            now=self.clock(),
        )
        page = found[:size]
        token = str(page[-1].place) if len(found) > size else ""
        return pb.ListCasesResponse(cases=map(wire.write_listed, page), next_page_token=token)

    async def GetCaseHistory(self, request: pb.GetCaseHistoryRequest, context: Context) -> pb.GetCaseHistoryResponse:  # noqa: N802
        """What happened to a case."""
        steward = await self._steward(request.steward, context)
        told = await self.workers.store(reviewing.history, request.case_id, steward=steward)
        _, stage = await self.workers.store(reviewing.look, request.case_id, steward=steward, now=self.clock())
        return pb.GetCaseHistoryResponse(events=map(wire.write_event, told), stage=wire.write_stage(stage))

    async def JudgeCase(self, request: pb.JudgeCaseRequest, context: Context) -> pb.JudgeCaseResponse:  # noqa: N802
        """A judgement, which can be undone for UNDO, or a proposal."""
        steward = await self._steward(request.steward, context)
        await self.workers.store(reviewing.look, request.lease.case_id, steward=steward, now=self.clock())
        judgement = await self.workers.store(
            review.judge,
            request.lease.case_id,
            decision=wire.read_decision(request.decision),
            value=request.value or None,
            reason=request.because.words,
            reason_code=request.because.reason_code,
            merged_fields=dict(request.merged_fields) or None,
            steward=steward.name,
            lease_token=request.lease.token,
            version=request.version,
            undo=UNDO,
            now=self.clock(),
        )
        return pb.JudgeCaseResponse(judgement=wire.write_judgement(judgement))

    async def UndoJudgement(self, request: pb.UndoJudgementRequest, context: Context) -> pb.UndoJudgementResponse:  # noqa: N802
        """Takes one's own judgement back in time."""
        steward = await self._of_judgement(request.steward, request.judgement_id, context)
        undone = await self.workers.store(review.undo, request.judgement_id, steward=steward.name, now=self.clock())
        return pb.UndoJudgementResponse(judgement=wire.write_judgement(undone))

    async def ApproveJudgement(  # noqa: N802
        self, request: pb.ApproveJudgementRequest, context: Context
    ) -> pb.ApproveJudgementResponse:
        """Puts somebody else's proposal in force. Raises NOT_ENTITLED when the grant has no right to."""
        steward = await self._second(request.steward, request.judgement_id, context)
        approved = await self.workers.store(
            review.approve, request.judgement_id, steward=steward.name, now=self.clock()
        )
        return pb.ApproveJudgementResponse(judgement=wire.write_judgement(approved))

    async def RefuseJudgement(  # noqa: N802
        self, request: pb.RefuseJudgementRequest, context: Context
    ) -> pb.RefuseJudgementResponse:
        """Says no to somebody else's proposal. Raises NOT_ENTITLED when the grant has no right to."""
        steward = await self._second(request.steward, request.judgement_id, context)
        refused = await self.workers.store(
            review.refuse,
            request.judgement_id,
            reason=request.because.words,
            reason_code=request.because.reason_code,
            steward=steward.name,
            now=self.clock(),
        )
        return pb.RefuseJudgementResponse(judgement=wire.write_judgement(refused))

    async def ReverseJudgement(  # noqa: N802
        self, request: pb.ReverseJudgementRequest, context: Context
    ) -> pb.ReverseJudgementResponse:
        """Takes a judgement back by a new one."""
        steward = await self._of_judgement(request.steward, request.judgement_id, context)
        reversal = await self.workers.store(
            review.reverse,
            request.judgement_id,
            reason=request.because.words,
            reason_code=request.because.reason_code,
            steward=steward.name,
            now=self.clock(),
        )
        return pb.ReverseJudgementResponse(judgement=wire.write_judgement(reversal))

    async def PreviewWork(self, request: pb.PreviewWorkRequest, context: Context) -> pb.PreviewWorkResponse:  # noqa: N802
        """What would come of making a judgement general."""
        steward = await self._steward(request.steward, context)
        shown = await self.workers.store(generalising.preview, request.judgement_id, steward=steward, now=self.clock())
        return pb.PreviewWorkResponse(
            cases=map(wire.write_foreseen, shown.foreseen), accepted=shown.accepted, needs_second=shown.needs_second
        )

    async def StartWork(self, request: pb.StartWorkRequest, context: Context) -> pb.StartWorkResponse:  # noqa: N802
        """Begins it; the gateway runs it."""
        work = await self.workers.store(
            generalising.start,
            request.judgement_id,
            steward=await self._steward(request.steward, context),
            typed_count=request.confirmed,
            now=self.clock(),
        )
        return pb.StartWorkResponse(work=wire.write_work(work))

    async def ApproveWork(self, request: pb.ApproveWorkRequest, context: Context) -> pb.ApproveWorkResponse:  # noqa: N802
        """Lets somebody else's work run."""
        steward = await self._of_work(request.steward, request.work_id, context)
        work = await self.workers.store(generalising.approve, request.work_id, steward=steward, now=self.clock())
        return pb.ApproveWorkResponse(work=wire.write_work(work))

    async def GetWork(self, request: pb.GetWorkRequest, context: Context) -> pb.GetWorkResponse:  # noqa: N802
        """How far a work is, and how right it was."""
        await self._of_work(request.steward, request.work_id, context)
        work = await self.workers.store(generalising.find, request.work_id, now=self.clock())
        audit = await self.workers.store(generalising.audit, request.work_id)
        return pb.GetWorkResponse(
            work=wire.write_work(work),
            checked=audit.checked,
            wrong=audit.wrong,
            at_most_wrong=audit.at_most,
        )

    async def ListWorks(self, request: pb.ListWorksRequest, context: Context) -> pb.ListWorksResponse:  # noqa: N802
        """A page of the works."""
        steward, size = await self._steward(request.steward, context), request.page_size or _PAGE
        before = int(request.page_token) if request.page_token else None
        found = await self.workers.store(generalising.newest, steward, before=before, limit=size + 1, now=self.clock())
        token = str(found[size - 1].work_id) if len(found) > size else ""
        return pb.ListWorksResponse(works=map(wire.write_work, found[:size]), next_page_token=token)

    async def ReverseWork(self, request: pb.ReverseWorkRequest, context: Context) -> pb.ReverseWorkResponse:  # noqa: N802
        """Begins to take a work back; the gateway runs it."""
        steward = await self._of_work(request.steward, request.work_id, context)
        work = await self.workers.store(
            generalising.reverse,
            request.work_id,
            steward=steward,
            reason_code=request.because.reason_code,
            reason=request.because.words,
            now=self.clock(),
        )
        return pb.ReverseWorkResponse(work=wire.write_work(work))

    async def DrawSample(self, request: pb.DrawSampleRequest, context: Context) -> pb.DrawSampleResponse:  # noqa: N802
        """Cases of a work to be looked at once more."""
        await self._of_work(request.steward, request.work_id, context)
        work = await self.workers.store(generalising.find, request.work_id, now=self.clock())
        size = 0 if work.pending else request.size or works.sample_size(_WRONG_AT_MOST)
        drawn = await self.workers.store(generalising.sample, request.work_id, size=size, seed=request.work_id)
        return pb.DrawSampleResponse(case_ids=drawn)

    async def CheckCase(self, request: pb.CheckCaseRequest, context: Context) -> pb.CheckCaseResponse:  # noqa: N802
        """Notes whether a case of a work was decided rightly."""
        audit = await self.workers.store(
            generalising.check,
            request.work_id,
            request.case_id,
            is_right=request.is_right,
            steward=await self._of_work(request.steward, request.work_id, context),
            now=self.clock(),
        )
        return pb.CheckCaseResponse(checked=audit.checked, wrong=audit.wrong, at_most_wrong=audit.at_most)

    async def NextSecondReview(  # noqa: N802
        self, request: pb.NextSecondReviewRequest, context: Context
    ) -> pb.NextSecondReviewResponse:
        """A case to answer once more, without what was answered."""
        steward = await self._steward(request.steward, context)
        look = await self.workers.store(agreement.next_look, steward, now=self.clock())
        if look is None:
            return pb.NextSecondReviewResponse()
        return pb.NextSecondReviewResponse(judgement_id=look.judgement_id, case=wire.write_case(look.case))

    async def AnswerSecondReview(  # noqa: N802
        self, request: pb.AnswerSecondReviewRequest, context: Context
    ) -> pb.AnswerSecondReviewResponse:
        """Notes the second answer, and does not tell whether it is the first one's."""
        steward = await self._steward(request.steward, context)
        await self.workers.store(
            agreement.answer,
            request.judgement_id,
            decision=wire.read_decision(request.decision),
            value=request.value or None,
            steward=steward,
            now=self.clock(),
        )
        return pb.AnswerSecondReviewResponse()

    async def ListAgreements(self, request: pb.ListAgreementsRequest, context: Context) -> pb.ListAgreementsResponse:  # noqa: N802
        """A page of how stewards agree. Raises NOT_ENTITLED when the grant has no right to approve."""
        steward, size = await self._steward(request.steward, context), request.page_size or _PAGE
        if not steward.may_approve:
            raise access.not_entitled()
        every = await self.workers.store(agreement.agreements, seen_by=steward)
        found = [one for one in every if one.steward > request.page_token]
        token = found[size - 1].steward if len(found) > size else ""
        return pb.ListAgreementsResponse(agreements=map(wire.write_agreement, found[:size]), next_page_token=token)

    async def _steward(self, name: str, context: Context) -> Steward:
        caller, today = identity.caller(context), self.clock().astimezone(VIETNAM).date()
        return access.steward(await self.known.standing(), caller, name, on=today)

    async def _source(self, source_id: str, context: Context) -> str:
        caller, today = identity.caller(context), self.clock().astimezone(VIETNAM).date()
        return access.source(self.catalogue, await self.known.standing(), caller, source_id, on=today).source.source_id

    async def _of_judgement(self, name: str, judgement_id: int, context: Context) -> Steward:
        steward = await self._steward(name, context)
        await self.workers.store(reviewing.require_sight, judgement_id, steward=steward)
        return steward

    async def _second(self, name: str, judgement_id: int, context: Context) -> Steward:
        """Who may say yes or no to a proposal they see."""
        steward = await self._of_judgement(name, judgement_id, context)
        if not steward.may_approve:
            raise access.not_entitled()
        return steward

    async def _of_work(self, name: str, work_id: int, context: Context) -> Steward:
        steward = await self._steward(name, context)
        work = await self.workers.store(generalising.find, work_id, now=self.clock())
        await self.workers.store(reviewing.require_sight, work.judgement_id, steward=steward)
        return steward
