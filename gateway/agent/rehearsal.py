"""The newest of what is to be sent, rehearsed at the gateway: would it be taken as it is?"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path

import grpc

from gateway import caps
from gateway.agent import query as queries
from gateway.agent.checking import Check, Look
from gateway.agent.errors import AgentError, RejectedFileError
from gateway.agent.folder import DONE, UNFINISHED, VIETNAM, day_of
from gateway.agent.settings import Folder, Query, SourceSettings
from gateway.client import Answer, IntakeClient, Outgoing, Refused, Validated
from gateway.client.errors import CallFailedError, told
from gateway.reports.plain import plain
from reconciliation.model import BatchFormat

SCHEMA = Look("mẫu dữ liệu", "schema")
_SECONDS = 20.0


async def check_schema(channel: grpc.aio.Channel, source: SourceSettings, *, clock: Callable[[], datetime]) -> Check:
    """Rehearse the newest file, or the first rows, of a source; nothing is stored and no number is used."""
    look = Look(f"{SCHEMA.name_vi} {source.source_id}", f"{SCHEMA.name} {source.source_id}")
    try:
        found = newest(source, clock=clock)
        if found is None:
            return look.skipped("Chưa có tệp hoặc dòng nào để thử.", "There is no file or row to try yet.")
        name, outgoing = found
        client = IntakeClient(channel, give_up_seconds=_SECONDS)
        pushing = client.push([outgoing], source_id=source.source_id, epoch="doctor", validate_only=True)
        return _judged(look, name, [answer async for answer in pushing])
    except RejectedFileError as error:
        return look.wrong(error.vi, error.en, "Sửa tệp hoặc truy vấn.", "Correct the file or the query.")
    except CallFailedError as error:
        vi = error.fault.vi or "Cổng không cho thử."
        return look.wrong(vi, str(error), "Xem mục quyền gửi.", "Look at the grants.")
    except (AgentError, OSError) as error:
        fixes = ("Sửa agent.toml hoặc quyền đọc.", "Correct agent.toml, or the right to read.")
        return look.wrong("Không đọc được nguồn dữ liệu.", str(error), *fixes)


def _judged(look: Look, name: str, answers: Sequence[Answer]) -> Check:
    match answers:
        case [Validated(rehearsed=rehearsed)]:
            counts = (name, rehearsed.received, rehearsed.usable, rehearsed.quarantined, rehearsed.findings)
            said = (
                "{}: {} bản ghi, dùng được {}, tạm giữ {}, phát hiện {}.".format(*counts),
                "{}: {} records, usable {}, quarantined {}, findings {}.".format(*counts),
            )
            if not rehearsed.quarantined:
                return look.well(*said)
            tell = look.warned if rehearsed.usable else look.wrong
            return tell(*said, "Xem từng lỗi bằng `lienthong check`.", "See each fault by `lienthong check`.")
        case [Refused(fault=fault)]:
            said = (f"{name}: {fault.vi}", f"{name}: {told(fault)}")
            return look.wrong(*said, "Sửa tệp.", "Correct the file.")
        case _:
            return look.wrong("Cổng không trả lời.", "The gateway did not answer.", "Thử lại.", "Try again.")


def newest(source: SourceSettings, *, clock: Callable[[], datetime]) -> tuple[str, Outgoing] | None:
    """The newest file of the folder, waiting or done, or the first rows of the query; with a name to show."""
    match source.origin:
        case Folder() as folder:
            files = [one for place in (folder.path, folder.path / DONE) for one in _files(place)]
            if not files:
                return None
            path = max(files, key=lambda one: one.stat().st_mtime_ns)
            with path.open("rb") as file:
                payload = file.read(caps.MAX_PAYLOAD_BYTES + 1)
            modified = datetime.fromtimestamp(path.stat().st_mtime, VIETNAM).date()
            day = modified if path.parent.name == DONE else day_of(path.name, modified, folder)
            return plain(path.name), _outgoing(payload, BatchFormat(folder.format), day)
        case Query() as query:
            with queries.opened(query) as watched:
                rows = watched.read(None)
                if not rows:
                    return None
                payload = watched.fit(rows)
            day = clock().astimezone(VIETNAM).date()
            return query.table or "query", _outgoing(payload, BatchFormat(queries.FORMATS[query.format]), day)


def _outgoing(payload: bytes, format_: BatchFormat, day: date) -> Outgoing:
    return Outgoing(sequence=1, payload=payload, format=format_, exported_on=day)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    there = [one for one in folder.iterdir() if one.is_file() and not one.is_symlink()]
    return [one for one in there if not one.name.startswith(".") and not one.name.endswith(UNFINISHED)]
