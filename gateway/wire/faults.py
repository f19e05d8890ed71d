"""Errors ◄─► google.rpc.Status with its details."""

from dataclasses import dataclass, field

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from gateway.errors import DOMAIN, Explanation, Violation

DETAILS_KEY = "grpc-status-details-bin"  # where gRPC carries a Status beside its code and message


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error as a client was told it. `reason` is empty when it came from gRPC itself and not from the gateway."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    vi: str = ""
    en: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    field_path: str = ""
    violations: tuple[Violation, ...] = ()  # every field that breaks a rule
    help_url: str = ""
    next_step: str = ""  # what to do, in English; the words of the Help
    retry_seconds: float | None = None


def write_status(explanation: Explanation, *, help_url: str, request_id: str = "") -> Status:
    """The status of an error: ErrorInfo, LocalizedMessage in vi and en, Help, and what else applies."""
    verdict, reason = explanation.verdict, str(explanation.reason)
    link = error_details_pb2.Help.Link(description=verdict.fix_en, url=f"{help_url}#{reason.lower()}")
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=explanation.facts),
        error_details_pb2.LocalizedMessage(locale="vi", message=f"{verdict.vi} {verdict.fix_vi}"),
        error_details_pb2.LocalizedMessage(locale="en", message=f"{verdict.en} {verdict.fix_en}"),
        error_details_pb2.Help(links=[link]),
    ]
    if request_id:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    if violations := _violations(explanation):
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if verdict.status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        limits = [name for name in explanation.facts if name.startswith("limit")]
        exceeded = [
            error_details_pb2.QuotaFailure.Violation(
                subject=name, description=explanation.message, quota_value=int(explanation.facts[name])
            )
            for name in limits
        ]
        details.append(error_details_pb2.QuotaFailure(violations=exceeded))
    if explanation.retry_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(round(explanation.retry_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = Status(code=verdict.status.value[0], message=explanation.message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _violations(explanation: Explanation) -> list[error_details_pb2.BadRequest.FieldViolation]:
    """Every violated rule; where none was asked, the field that the error itself names."""
    named = explanation.violations
    if not named and explanation.field_path:
        named = (Violation(field_path=explanation.field_path, problem=explanation.message),)
    return [
        error_details_pb2.BadRequest.FieldViolation(
            field=one.field_path, description=one.problem, reason=str(explanation.reason)
        )
        for one in named
    ]


def read_status(status: Status) -> Fault:
    """What a status says, whatever details it has."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, help_, localized = error_details_pb2.RetryInfo(), error_details_pb2.Help(), {"vi": "", "en": ""}
    retry_seconds: float | None = None
    for detail in status.details:
        text = error_details_pb2.LocalizedMessage()
        if detail.Unpack(text):
            localized[text.locale] = text.message
        elif detail.Unpack(retry):
            retry_seconds = retry.retry_delay.ToMilliseconds() / 1000
        else:
            _ = detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(help_)
    return Fault(
        code=_CODES.get(status.code, grpc.StatusCode.UNKNOWN),
        message=status.message,
        reason=info.reason,
        vi=localized["vi"],
        en=localized["en"],
        facts=dict(info.metadata),
        field_path=bad.field_violations[0].field if bad.field_violations else "",
        violations=tuple(Violation(field_path=one.field, problem=one.description) for one in bad.field_violations),
        help_url=help_.links[0].url if help_.links else "",
        next_step=help_.links[0].description if help_.links else "",
        retry_seconds=retry_seconds,
    )


def read_call_error(error: grpc.aio.AioRpcError) -> Fault:
    """What a failed call says; only code and message when it did not fail in the gateway."""
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if isinstance(details, bytes):
        try:
            return read_status(Status.FromString(details))
        except DecodeError:  # somebody between us rewrote the trailer: code and message are what is left
            pass
    return Fault(code=error.code(), message=error.details() or "")


_CODES = {code.value[0]: code for code in grpc.StatusCode}
