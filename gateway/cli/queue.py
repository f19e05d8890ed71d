"""`lienthong queue`: the stewards' cases, until the pages for them stand."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from adapters.catalogue import load as load_catalogue
from gateway.cli.options import Json, known_province
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.errors import Reason, RejectedCallError
from reconciliation import duties, generalising, review, reviewing
from reconciliation.answers import answer
from reconciliation.conflicts import CATALOGUE
from reconciliation.desk import Steward
from reconciliation.detecting import HOLDS
from reconciliation.directory import directory
from reconciliation.entitlements import read_grants
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Decision, Seen, SeenOf
from reconciliation.store import escalating, stuck, unit_events
from reconciliation.store.engine import Engine

app = typer.Typer(no_args_is_help=True)

# What an earlier judgement and a case have in common.
_SEEN_OF: Mapping[SeenOf, str] = {
    SeenOf.QUESTION: "câu hỏi này · this question",
    SeenOf.RECORDS: "các bản ghi này · these records",
    SeenOf.CAUSE: "cùng nguyên nhân · the same cause",
}

# What a steward is asked, by kind of case.
_Steward = Annotated[str, typer.Option(help="Người quyết định · Who decides")]
_Reason = Annotated[str, typer.Option(help="Lý do · Why")]


@app.command("list")
def list_(
    *,
    province: Annotated[str, typer.Option(help="Mã tỉnh · A province's code", callback=known_province)] = "",
    kind: Annotated[CaseKind | None, typer.Option(help="Loại · The kind of case")] = None,
    after: Annotated[int, typer.Option(help="Từ hồ sơ sau số này · From the case after this one")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 20,
    as_json: Json = False,
) -> None:
    """Hồ sơ đang mở. Open cases."""
    with open_store() as engine:
        cases = review.open_cases(engine, province_code=province or None, kind=kind, after=after, limit=limit)
    if as_json:
        for case in cases:
            json_line(case)
        return
    rows(
        ("hồ sơ · case", "loại · kind", "tỉnh · province", "chờ · owner", "hạn · deadline", "bản ghi · records"),
        [
            (
                case.case_id,
                case.kind,
                case.province_code,
                f"{case.owner} ↑ {case.raised_to}" if case.raised_to else case.owner,
                f"{case.deadline.astimezone(VIETNAM):%d/%m/%Y}",
                len(case.record_keys),
            )
            for case in cases
        ],
    )


@app.command("stuck")
def stuck_(*, as_json: Json = False) -> None:
    """Cập nhật quá hạn: chờ ai, đã lên cấp nào. What is late: with whom, and how far up it has gone."""
    with open_store() as engine:
        late = stuck.count(engine, now=datetime.now(UTC))
        raised = {(one.state, one.owner): one for one in escalating.standing(engine)}
        name = _names(engine)
    told = [{**asdict(one), "raised_to": _to(raised.get((one.state, one.owner)))} for one in late]
    if as_json:
        for one in told:
            json_line(one)
        return
    rows(
        ("trạng thái · state", "chờ · owner", "là · is", "số · updates", "hạn · deadline", "đã lên · raised to"),
        [
            (
                one["state"],
                one["owner"],
                name(str(one["owner"])),
                one["updates"],
                f"{one['deadline'].astimezone(VIETNAM):%d/%m/%Y}",
                one["raised_to"] or "",
            )
            for one in told
        ],
    )


@app.command("works")
def works_(
    *,
    before: Annotated[int | None, typer.Option(help="Từ lần trước số này · From the work before this one")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 20,
    as_json: Json = False,
) -> None:
    """Quyết định hàng loạt: đã làm, còn chờ, để lại cho người. Judgements made general, and what they hold back."""
    with open_store() as engine:
        found = generalising.newest(engine, before=before, limit=limit, now=datetime.now(UTC))
    if as_json:
        for work in found:
            json_line({**asdict(work), "needs_second": work.needs_second})
        return
    rows(
        (
            "lần · work",
            "quyết định · judgement",
            "ai · by",
            "đã làm · done",
            "còn · pending",
            "người khác giữ · held",
            "để lại cho người · left to a person",
            "chờ duyệt · awaits approval",
        ),
        [
            (
                work.work_id,
                work.judgement_id,
                work.steward,
                work.done,
                work.pending,
                work.held,
                " ".join((str(work.refused), *(f"{why}={count}" for why, count in work.left_alone.items()))),
                "x" if work.needs_second else "",
            )
            for work in found
        ],
    )


@app.command()
def show(case_id: int, *, as_json: Json = False) -> None:
    """Một hồ sơ và các quyết định có thể. One open case, and the decisions it takes."""
    with open_store() as engine:
        case = reviewing.remember(engine, _open_case(engine, case_id), steward=Steward(name=""))
        name = _names(engine)
    if as_json:
        json_line(case)
        return
    asked = CATALOGUE[case.kind]
    say(asked.question_vi, asked.question_en)
    say(f"Hồ sơ {case.case_id}: {case.kind}, chờ {case.owner}", f"case {case.case_id}, with {case.owner}")
    if case.proposed_by is not None:
        say(f"Đề nghị {case.proposed_by} chờ người thứ hai duyệt", f"judgement {case.proposed_by} awaits approval")
    _six_words(case, name)
    rows(
        ("quyết định · decision", "nghĩa", "meaning"),
        [
            (decision, said.vi, said.en)
            for decision in sorted(review.DECISIONS[case.kind])
            for said in (answer(case, decision),)
        ],
    )
    _seen_before(case)
    rows(("bản ghi · record",), [(key,) for key in case.record_keys])
    rows(("bằng chứng · evidence", ""), list(case.evidence.items()))


@app.command()
def judge(
    case_id: int,
    decision: Decision,
    *,
    value: Annotated[str, typer.Option(help="Mã đơn vị hoặc mã bản ghi · The unit's code, or a record key")] = "",
    reason: _Reason,
    steward: _Steward,
    as_json: Json = False,
) -> None:
    """Quyết định một hồ sơ. Decide a case."""
    with open_store() as engine:
        judgement = review.judge(
            engine,
            case_id,
            decision=decision,
            value=value or None,
            reason=reason,
            steward=steward,
            now=datetime.now(UTC),
        )
    if as_json:
        json_line(judgement)
    elif judgement.needs_approval:
        say(
            f"Đã ghi đề nghị {judgement.judgement_id}; có hiệu lực khi người thứ hai duyệt",
            f"Judgement {judgement.judgement_id} is in force once a second person approves it",
        )
    else:
        say(f"Đã ghi quyết định {judgement.judgement_id}", f"Judgement {judgement.judgement_id} stands")


@app.command()
def approve(judgement_id: int, *, steward: _Steward, as_json: Json = False) -> None:
    """Duyệt đề nghị của người khác. Approve what somebody else proposed."""
    with open_store() as engine:
        judgement = review.approve(engine, judgement_id, steward=steward, now=datetime.now(UTC))
    if as_json:
        json_line(judgement)
    else:
        say(f"Quyết định {judgement_id} có hiệu lực", f"Judgement {judgement_id} is in force")


@app.command()
def refuse(judgement_id: int, *, reason: _Reason, steward: _Steward, as_json: Json = False) -> None:
    """Không duyệt đề nghị của người khác; hồ sơ mở lại. Refuse what somebody else proposed; its case is open again."""
    with open_store() as engine:
        judgement = review.refuse(engine, judgement_id, reason=reason, steward=steward, now=datetime.now(UTC))
    if as_json:
        json_line(judgement)
    else:
        say(f"Đã từ chối đề nghị {judgement_id}", f"Judgement {judgement_id} is refused")


@app.command()
def reverse(judgement_id: int, *, reason: _Reason, steward: _Steward, as_json: Json = False) -> None:
    """Đảo một quyết định; hồ sơ mở lại. Reverse a judgement; its case is open again."""
    with open_store() as engine:
        judgement = review.reverse(engine, judgement_id, reason=reason, steward=steward, now=datetime.now(UTC))
    if as_json:
        json_line(judgement)
    else:
        say(f"Đã đảo quyết định {judgement_id}", f"Judgement {judgement_id} is reversed")


def _six_words(case: Case, name: Callable[[str], str]) -> None:
    """Person, task, responsibility, authority, time, result, as the Government wants work to be assigned."""
    asked, duty = CATALOGUE[case.kind], duties.DUTIES[HOLDS[case.kind]]
    late = f"; quá hạn, đã lên {name(case.raised_to)}" if case.raised_to else ""
    until = f"{case.opened_at.astimezone(VIETNAM):%d/%m/%Y} → {case.deadline.astimezone(VIETNAM):%d/%m/%Y %H:%M}{late}"
    rows(
        ("sáu rõ · six clear", ""),
        [
            ("người · person", name(case.owner)),
            ("việc · task", asked.question_vi),
            ("trách nhiệm · responsibility", duty.responsibility[0]),
            ("thẩm quyền · authority", duty.authority[0]),
            ("thời gian · time", until),
            ("kết quả · result", duty.result[0]),
        ],
    )


def _seen_before(case: Case) -> None:
    if not case.seen_before:
        return
    rows(
        ("đã từng xem · seen before", "hồ sơ · case", "quyết định · decision", "ai · by", "lúc · at", "nay · now"),
        [
            (
                _SEEN_OF[seen.of],
                f"{seen.case_id} {seen.kind}",
                f"{seen.decision} {seen.unit_code or ''} ({seen.reason_code})",
                seen.steward,
                f"{seen.judged_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}",
                _since(seen),
            )
            for seen in case.seen_before
        ],
    )


def _since(seen: Seen) -> str:
    """What became of an earlier judgement."""
    if seen.reversed_at is not None:
        return f"{seen.reversed_by} đã đảo · reversed {seen.reversed_at.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
    return "không còn hỏi · not asked any more" if seen.is_obsolete else ""


def _names(engine: Engine) -> Callable[[str], str]:
    """What an owner is called, by the units as known today."""
    desks = directory(datetime.now(VIETNAM).date(), tables=unit_events.tables_known(engine))
    registries = {grant.consumer_id: grant.name for grant in read_grants()}
    return partial(duties.person, catalogue=load_catalogue(), registries=registries, desks=desks)


def _to(raised: escalating.Raised | None) -> str | None:
    return raised.to_owner if raised else None


def _open_case(engine: Engine, case_id: int) -> Case:
    found = review.open_cases(engine, after=case_id - 1, limit=1)
    if not found or found[0].case_id != case_id:
        raise RejectedCallError(Reason.CASE_UNKNOWN, f"No open case has the number {case_id}.")
    return found[0]
