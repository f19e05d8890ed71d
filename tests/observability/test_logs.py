import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from observability import logs, telemetry

CANARY = "001099012345"


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(service_name="gateway")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logs.configure(service_name="lienthong", owns_process=False)  # the usual name and level, for who comes next


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_what_happened_where_and_in_which_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with telemetry.span("intake.land", parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        logs.get_logger("gateway.services.intake").info("batch_landed", source_id="yen-bai.population", received=9)

    (line,) = lines(capsys)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "service": "gateway",
        "component": "gateway.services.intake",
        "event": "batch_landed",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "source_id": "yen-bai.population",
        "received": 9,
    }


def test_nothing_of_a_person_and_no_free_text_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.get_logger("gateway")

    log.warning("row_refused", full_name="Nguyễn Văn An", source_id=CANARY, row=3)
    log.warning(" ".join(("refused", CANARY)))
    try:
        raise ValueError(CANARY)
    except ValueError:
        log.exception("landing_failed")
    logging.getLogger("sqlalchemy.engine").error("DETAIL: Key (personal_number)=(%s)", CANARY)
    logging.getLogger("x").error(CANARY, exc_info=ValueError(CANARY))

    written = capsys.readouterr().err
    assert CANARY not in written
    assert "Nguy" not in written
    refused, unnamed, failed, foreign, other = [json.loads(line) for line in written.splitlines()]
    assert (refused["row"], refused["fields_dropped"]) == (3, 2)
    assert unnamed["event"] == "unnamed"
    assert (failed["level"], failed["error_type"]) == ("error", "ValueError")
    assert failed["place"].startswith("test_logs.py:")
    assert (foreign["component"], foreign["level"], foreign["event"]) == ("sqlalchemy.engine", "error", "foreign_line")
    assert other["error_type"] == "ValueError"


def test_no_value_breaks_or_colours_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = 'x\r\n{"event":"forged"}\x1b[31m\u2028\x9b'

    logs.get_logger(nasty).info(nasty, source_id=nasty, **{nasty: 1})

    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written.isascii()
    assert written.rstrip("\n").isprintable()


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(service_name="gateway", level="warning")

    logs.get_logger("gateway").info("batch_landed")
    logs.get_logger("gateway").warning("batch_refused")

    assert [line["event"] for line in lines(capsys)] == ["batch_refused"]
