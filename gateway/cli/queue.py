"""`lienthong queue`: the stewards' cases, until the pages for them stand."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.errors import Reason, RejectedCallError
from reconciliation import review
from reconciliation.conflicts import CATALOGUE
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind, Decision
from reconciliation.store.engine import Engine

app = typer.Typer(no_args_is_help=True)

# What a steward is asked, by kind of case.
_Steward = Annotated[str, typer.Option(help="Người quyết định · Who decides")]
_Reason = Annotated[str, typer.Option(help="Lý do · Why")]


@app.command("list")
def list_(
    *,
    province: Annotated[str, typer.Option(help="Mã tỉnh · A province's code")] = "",
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
                case.owner,
                f"{case.deadline.astimezone(VIETNAM):%d/%m/%Y}",
                len(case.record_keys),
            )
            for case in cases
        ],
    )


@app.command()
def show(case_id: int, *, as_json: Json = False) -> None:
    """Một hồ sơ và các quyết định có thể. One open case, and the decisions it takes."""
    with open_store() as engine:
        case = _open_case(engine, case_id)
    if as_json:
        json_line(case)
        return
    decisions = ", ".join(sorted(review.DECISIONS[case.kind]))
    asked = CATALOGUE[case.kind]
    say(asked.question_vi, asked.question_en)
    say(f"Hồ sơ {case.case_id}: {case.kind}, chờ {case.owner}", f"decide by {decisions}")
    if case.proposed_by is not None:
        say(f"Đề nghị {case.proposed_by} chờ người thứ hai duyệt", f"judgement {case.proposed_by} awaits approval")
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
def reverse(judgement_id: int, *, reason: _Reason, steward: _Steward, as_json: Json = False) -> None:
    """Đảo một quyết định; hồ sơ mở lại. Reverse a judgement; its case is open again."""
    with open_store() as engine:
        judgement = review.reverse(engine, judgement_id, reason=reason, steward=steward, now=datetime.now(UTC))
    if as_json:
        json_line(judgement)
    else:
        say(f"Đã đảo quyết định {judgement_id}", f"Judgement {judgement_id} is reversed")


def _open_case(engine: Engine, case_id: int) -> Case:
    found = review.open_cases(engine, after=case_id - 1, limit=1)
    if not found or found[0].case_id != case_id:
        raise RejectedCallError(Reason.CASE_UNKNOWN, f"No open case has the number {case_id}.")
    return found[0]
