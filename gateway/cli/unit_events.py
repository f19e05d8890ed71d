"""`lienthong units load | unload | events | rehearse`: changes of units, by those who answer for the registry."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer

from adapters.errors import RejectedUnitsError
from adapters.reference.unit_events import Event, package_events, read_folder
from adapters.reference.units import UnitTables, load_units
from gateway.cli.options import Json, read_date
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.settings import read
from reconciliation import jobs
from reconciliation.lifecycle import VIETNAM
from reconciliation.rehearsing import MINUTES_A_CASE
from reconciliation.store import unit_events

Folder = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="Thư mục của sự kiện · The folder of the event")
]
By = Annotated[
    str, typer.Option("--by", default_factory=getpass.getuser, help="Người thực hiện · Who does it", show_default=False)
]
KnownOn = Annotated[
    str, typer.Option("--known-on", help="Theo những gì đã biết ngày nào · As known on which day; now when empty")
]

_MEANINGS = {
    "province_code": "tỉnh · province",
    "records": "bản ghi · records",
    "touched": "bị tác động · touched",
    "recoded": "tự chuyển mã · go by themselves",
    "restated": "giữ mã, đổi căn cứ · another legal basis",
    "settled": "hết vướng · settled",
    "ambiguous": "cần xác minh · ambiguous",
    "orphaned": "không còn đơn vị · orphaned",
    "units_of_one_name": "đơn vị trùng tên · units of one name",
    "hamlet_names": "tên thôn, tổ trùng · hamlet names that meet",
    "records_in_hamlets": "bản ghi ở đó · records there",
    "households_renumbered": "hộ đổi số · households renumbered",
    "steward_hours": "giờ công · steward-hours",
}


def load(
    event: Folder,
    *,
    by: By,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Chỉ kiểm tra · Only check")] = False,
    as_json: Json = False,
) -> None:
    """Nạp một sự kiện: chia, nhập, đổi tên, bỏ cấp. Load a change of units: split, merge, rename, abolish a level."""
    with findings_told(as_json=as_json), open_store() as engine:
        wanted = read_folder(event)
        if dry_run:
            unit_events.propose(engine, wanted)
        else:
            unit_events.load(engine, wanted, by=by, now=datetime.now(UTC))
    _tell(wanted, "checked" if dry_run else "loaded", as_json=as_json)


def unload(
    event: Annotated[str, typer.Argument(help="Mã sự kiện đã nạp · The id of a loaded event")],
    *,
    by: By,
    as_json: Json = False,
) -> None:
    """Gỡ một sự kiện đã nạp; lần đối soát sau trả lại mã cũ. Take a loaded event back; the next run restores codes."""
    with findings_told(as_json=as_json), open_store() as engine:
        unit_events.unload(engine, event, by=by, now=datetime.now(UTC))
    if as_json:
        json_line({"event_id": event, "done": "unloaded"})
    else:
        say(f"Đã gỡ {event}", f"{event} is taken back")


def events(*, as_json: Json = False) -> None:
    """Các sự kiện đã biết. The changes of units that are known."""
    with open_store() as engine:
        loaded = unit_events.entries(engine)
    lines = [
        *(
            {"event_id": one.event_id, "effective_on": one.effective_on, "origin": "package"}
            for one in package_events()
        ),
        *({**asdict(one), "origin": "loaded"} for one in loaded),
    ]
    if as_json:
        for line in lines:
            json_line(line)
        return
    headings = (
        "sự kiện · event",
        "hiệu lực · effective",
        "",
        "nạp · loaded",
        "bởi · by",
        "gỡ · taken back",
        "bởi · by",
    )
    names = ("event_id", "effective_on", "origin", "recorded_at", "recorded_by", "revoked_at", "revoked_by")
    rows(headings, [[_cell(line.get(name)) for name in names] for line in lines])


def _cell(value: object) -> object:
    return f"{value.astimezone(VIETNAM):%d/%m/%Y %H:%M}" if isinstance(value, datetime) else value


def rehearse(
    event: Folder,
    *,
    minutes_a_case: Annotated[
        int, typer.Option(min=1, help="Số phút cho một hồ sơ: giả định · Minutes a case takes: an assumption")
    ] = MINUTES_A_CASE,
    as_json: Json = False,
) -> None:
    """Diễn tập trên dữ liệu đang có, không ghi gì. What an event would do to the live registry; writes nothing."""
    with findings_told(as_json=as_json), open_store() as engine:
        told = jobs.rehearse_event(engine, read_folder(event), now=datetime.now(UTC), minutes_a_case=minutes_a_case)
    lines = [asdict(one) for one in told]
    if as_json:
        for line in lines:
            json_line(line | {"minutes_a_case": minutes_a_case})
        return
    counted = [name for name in _MEANINGS if name != "province_code"]
    total = {name: round(sum(line[name] for line in lines), 1) for name in counted} | {"province_code": ""}
    rows(
        ("", *(str(line["province_code"]) for line in lines), "cộng · total"),
        [(meaning, *(line[name] for line in lines), total[name]) for name, meaning in list(_MEANINGS.items())[1:]],
    )
    say(f"Giả định {minutes_a_case} phút một hồ sơ", f"Assuming {minutes_a_case} minutes a case")


@contextmanager
def findings_told(*, as_json: bool) -> Iterator[None]:
    """Every finding of a refused file, a line each, and exit code 1."""
    try:
        yield
    except RejectedUnitsError as error:
        if as_json:
            for one in error.findings:
                json_line({"fault": one.fault, "place": one.place, "seen": one.seen, "vi": one.vi, "en": one.en})
        else:
            found = [(one.place, one.fault, one.seen, one.vi, one.en) for one in error.findings]
            rows(("chỗ · place", "lỗi · fault", "thấy · seen", "", ""), found)
        raise typer.Exit(1) from error


def known_tables(known_on: str) -> UnitTables:
    """The unit tables as known at the end of a day, or now: with what the registry loaded, where one is set up.

    Without LIENTHONG_DATABASE_URL and a day these are the package's own, and no database is needed.
    """
    if not known_on and not read().database_url:
        return load_units()
    with open_store() as engine:
        return unit_events.tables_known(engine, at=end_of(read_date(known_on)) if known_on else None)


def end_of(day: date) -> datetime:
    """The last moment of a day in Việt Nam."""
    return datetime.combine(day + timedelta(days=1), time(), VIETNAM) - timedelta(microseconds=1)


def _tell(event: Event, done: str, *, as_json: bool) -> None:
    if as_json:
        json_line({"event_id": event.event_id, "effective_on": event.effective_on, "done": done})
    elif done == "loaded":
        say(f"Đã nạp {event.event_id}, hiệu lực {event.effective_on}", f"{event.event_id} is loaded")
    else:
        say(f"{event.event_id} nạp được", f"{event.event_id} can be loaded")
