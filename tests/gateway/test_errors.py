import ast
import re
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from adapters.errors import RejectedBatchError, RejectionReason
from gateway.errors import DOMAIN, VERDICTS, Reason, RejectedCallError, as_markdown, explain
from gateway.v1.error_reason_pb2 import ErrorReason
from gateway.wire.faults import read_status, write_status
from reconciliation.errors import FatalStoreError, RejectedRequestError, RetryableStoreError, StoreFullError
from tests.golden import Golden

ROOT = Path(__file__).parents[2]
PREFIX = "ERROR_REASON_"


def examples() -> dict[str, str]:
    """The reasons of error_reason.proto, each with the example in its comment."""
    text = (ROOT / "proto/gateway/v1/error_reason.proto").read_text()
    return {name: example for example, name in re.findall(r"// Example: ([^\n]+)\n  ERROR_REASON_(\w+) =", text)}


def test_every_published_reason_is_in_the_table_and_the_other_way_round() -> None:
    names = {name.removeprefix(PREFIX) for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - no mapping

    assert names == set(Reason) == set(VERDICTS)


def test_every_published_reason_has_an_example_with_its_status() -> None:
    found = examples()

    assert set(found) == set(Reason)
    for name, example in found.items():
        assert example.split(" ")[0] == VERDICTS[Reason(name)].status.name, name


def test_every_rejection_of_a_batch_is_in_the_table() -> None:
    for reason in RejectionReason:
        error = RejectedBatchError(reason, "message", source_id="a.b", place="row 3", next_step="do it")

        explanation = explain(error)

        assert explanation.reason == reason
        assert explanation.facts == {"source_id": "a.b", "place": "row 3"}


def test_every_rejection_that_the_registry_raises_is_in_the_table() -> None:
    raised = set()
    for path in sorted((ROOT / "reconciliation").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            is_rejection = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RejectedRequestError"
            if is_rejection and node.args and isinstance(node.args[0], ast.Constant):
                raised.add(node.args[0].value)

    assert len(raised) > 5
    assert raised <= set(Reason)


def test_a_lost_database_asks_for_a_retry_and_is_no_fault_of_ours() -> None:
    status = write_status(explain(RetryableStoreError("gone")), help_url="docs")

    fault = read_status(status)

    assert fault.code is grpc.StatusCode.UNAVAILABLE
    assert fault.retry_seconds == VERDICTS[Reason.STORE_UNAVAILABLE].retry_seconds


def test_a_wrong_schema_is_for_the_operator() -> None:
    assert explain(FatalStoreError("old")).reason is Reason.STORE_UNFIT


@pytest.mark.parametrize(
    "error", [ValueError("Nguyễn Văn An 001080000001"), RejectedRequestError("NEW", "x", next_step="y")]
)
def test_what_is_unforeseen_says_nothing_of_itself(error: Exception) -> None:
    explanation = explain(error, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")

    assert explanation.reason is Reason.INTERNAL_FAULT
    assert "An" not in explanation.message
    assert explanation.facts == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


def test_a_status_carries_all_the_details_and_reads_back() -> None:
    error = RejectedCallError(
        Reason.TOO_LARGE, "The payload is 9 bytes.", field_path="batch.payload", facts={"limitBytesPerBatch": "8"}
    )

    status = write_status(explain(error), help_url="docs/error-reasons.md")

    kinds = {detail.type_url.rpartition(".")[2] for detail in status.details}
    assert kinds == {"ErrorInfo", "LocalizedMessage", "Help", "BadRequest", "QuotaFailure"}
    info, quota = error_details_pb2.ErrorInfo(), error_details_pb2.QuotaFailure()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == (DOMAIN, "TOO_LARGE")
    assert [detail.Unpack(quota) for detail in status.details].count(True) == 1
    assert quota.violations[0].quota_value == 8
    fault = read_status(status)
    assert (fault.reason, fault.field_path, fault.facts) == ("TOO_LARGE", "batch.payload", {"limitBytesPerBatch": "8"})
    assert fault.help_url == "docs/error-reasons.md#too_large"
    assert fault.vi.startswith(VERDICTS[Reason.TOO_LARGE].vi)
    assert fault.en.startswith(VERDICTS[Reason.TOO_LARGE].en)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_told_in_both_languages_with_a_link_and_what_to_do_next(reason: Reason) -> None:
    own_id = "6f1c2a44-90a1-4c3e-8a55-0d6a2f0b7d11"

    status = write_status(explain(RejectedCallError(reason, "It is so.")), help_url="docs/page", request_id=own_id)

    fault, verdict, request = read_status(status), VERDICTS[reason], error_details_pb2.RequestInfo()
    assert (fault.vi, fault.en) == (f"{verdict.vi} {verdict.fix_vi}", f"{verdict.en} {verdict.fix_en}")
    assert fault.vi.isascii() is False
    assert fault.help_url == f"docs/page#{reason.lower()}"
    assert f"\n## {reason}\n" in (ROOT / "docs/error-reasons.md").read_text()
    assert fault.retry_seconds == verdict.retry_seconds
    assert [detail.Unpack(request) for detail in status.details].count(True) == 1
    assert request.request_id == own_id


def test_a_full_store_asks_to_come_back_later_and_is_no_lost_one() -> None:
    explanation = explain(StoreFullError("full"))

    assert explanation.reason is Reason.STORE_FULL
    assert explanation.verdict.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert explanation.retry_seconds == 30


def test_a_stated_time_to_come_again_is_told_instead_of_the_usual_one() -> None:
    error = RejectedCallError(Reason.RATE_EXCEEDED, "Too fast.", retry_seconds=7.25)

    assert read_status(write_status(explain(error), help_url="docs")).retry_seconds == 7.25


def test_the_page_of_reasons_is_the_table(golden: Golden) -> None:
    golden.check(ROOT / "docs/error-reasons.md", as_markdown())
