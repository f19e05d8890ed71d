"""One JSON object a line, on stderr: an event's name and fields of the vocabulary, nothing else, escaped to ASCII.

A line never holds free text: an exception leaves its class and the places it passed, a line of a foreign library its
logger, level and place. So personal data cannot enter, and no value can break or colour a line.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, Literal, cast

import structlog

from observability import metrics, telemetry, vocabulary

Level = Literal["debug", "info", "warning", "error"]

_FRAMES = 6
_service_name = "lienthong"
_threshold = logging.INFO


def configure(*, service_name: str, level: Level = "info", owns_process: bool = True) -> None:
    """Name the process in its lines, set the lowest level written, and take in the lines of foreign libraries.

    A guest in somebody else's process does not own it, and leaves the lines of others alone.
    """
    global _service_name, _threshold  # noqa: PLW0603 - one process writes one log
    _service_name = vocabulary.admit_name(service_name.replace("-", "_"))
    _threshold = getattr(logging, level.upper())
    if not owns_process:
        return
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(_ForeignFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_threshold, logging.WARNING))


def get_logger(component: str) -> structlog.typing.FilteringBoundLogger:
    """A logger: `log.info("batch_landed", source_id=…, received=…)`. Give `__name__`.

    Event names are words joined by dots or underscores. `exc_info=True` adds class and places of the exception.
    It does not depend on the process-wide structlog settings, which Airflow makes its own.
    """
    logger = structlog.wrap_logger(
        structlog.PrintLogger(cast("Any", _Stderr())),
        processors=[_below_threshold, _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        component=component,
    )
    return cast("structlog.typing.FilteringBoundLogger", logger)


def place_of(error: BaseException) -> str | None:
    """The innermost places an exception passed, file:line function, outermost first; None if it was never raised."""
    frames: list[str] = []
    place: TracebackType | None = error.__traceback__
    while place:
        code = place.tb_frame.f_code
        frames.append(f"{PurePath(code.co_filename).name}:{place.tb_lineno} {code.co_name}")
        place = place.tb_next
    return " > ".join(frames[-_FRAMES:]) or None


class _Stderr:
    """The stderr of the moment of writing, which a test or a supervisor may have replaced."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _below_threshold(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if getattr(logging, method.upper(), logging.ERROR) < _threshold:
        raise structlog.DropEvent
    return event


def _render(_: Any, method: str, event: MutableMapping[str, Any]) -> str:
    fields = dict(event)
    name = vocabulary.admit_name(str(fields.pop("event", "")))
    component = str(fields.pop("component", ""))
    error = _error_of(fields.pop("exc_info", None))
    if error:
        fields |= {"error_type": type(error).__name__, "place": place_of(error)}
    return _line(method, name, component, fields)


def _line(level: str, event: str, component: str, fields: MutableMapping[str, Any]) -> str:
    admitted, dropped = vocabulary.admit(fields)
    if dropped:
        metrics.FIELDS_DROPPED.add(dropped, component="log")
    line: dict[str, object] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "error" if level == "exception" else level,
        "service": _service_name,
        "component": component if vocabulary.fits("error_type", component) else vocabulary.UNNAMED,
        "event": event,
        "trace_id": telemetry.current_trace_id(),
        **admitted,
    }
    if dropped:
        line["fields_dropped"] = dropped
    return json.dumps({key: value for key, value in line.items() if value is not None}, ensure_ascii=True)


def _error_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exc_info()[1] if exc_info else None


class _ForeignFormatter(logging.Formatter):
    """Lines of other libraries: who, how bad and where; never what, since that is free text."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {"place": f"{PurePath(record.pathname).name}:{record.lineno} {record.funcName}"}
        if record.exc_info and record.exc_info[1]:
            fields["error_type"] = type(record.exc_info[1]).__name__
        return _line(record.levelname.lower(), "foreign_line", record.name, fields)
