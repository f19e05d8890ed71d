"""agent.toml: everything an agent can be told. Unknown names are refused: a slip of the pen is not a setting."""

import codecs
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gateway.agent.errors import FatalAgentSettingError
from gateway.agent.holdings import MIB
from gateway.agent.holdings import Settings as SpoolSettings

_Value = TypeVar("_Value", str, int, float, bool)

FORMATS = ("source_file", "arrow_ipc", "typed_records")
ROW_FORMATS = ("arrow", "jsonl", "csv")

TEMPLATE = """\
# Tác tử Liên Thông của tỉnh · The agent of a province. See docs/agent.md.
# Paths are relative to this file. · Đường dẫn tính từ tệp này.
gateway = "{gateway}"
spool = "spool"

# Chứng thư do cổng cấp · The certificate that was issued to you. Leave it out only on one machine with the gateway.
{comment}[certificate]
{comment}certificate = "agent.crt"
{comment}key = "agent.key"
{comment}authorities = "authorities.crt"

[limits]
bandwidth_kib = 0        # KiB/s; 0: không hạn chế · no cap
quota_mib = 2048         # cảnh báo từ 80 % · alarm from 80 %
reserve_mib = 64         # để trống trên đĩa · left free on the disk
segment_mib = 16
keep_days = 30           # giữ lô đã có biên nhận · how long receipted batches are kept
signed_receipts = true   # chỉ xóa khi biên nhận có chữ ký · delete only for receipts that are signed
window = 4               # lô chờ trả lời · batches sent ahead

[[source]]
source_id = "{source_id}"
silence_seconds = 3600   # báo "không có gì" · how often silence is attested
compare_seconds = 86400  # đối chiếu với cổng · how often batches are compared

[source.folder]
path = "exports"
settle_seconds = 2.0     # tệp đứng yên bao lâu thì nhận · how long a file has to keep still
poll_seconds = 5.0
force_polling = false    # true: ổ mạng · for network drives
exported_on = "name"     # "name": ngày yyyy-mm-dd trong tên tệp · "modified": ngày sửa tệp
format = "source_file"
"""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The files with which the agent proves who it is and knows the gateway."""

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder into which a system puts its exports."""

    path: Path
    settle_seconds: float = 2.0
    poll_seconds: float = 5.0
    force_polling: bool = False
    exported_on: str = "name"  # or "modified"
    format: str = "source_file"


@dataclass(frozen=True, kw_only=True)
class Query:
    """A table, view or query of the province's own database. The URL holds a password and never stands here."""

    url_file: Path | None
    url_variable: str
    table: str = ""
    query: str = ""
    columns: tuple[str, ...]
    watermark: str
    key: str
    chunk: int = 2_000
    poll_seconds: float = 60.0
    format: str = "arrow"
    separator: str = ","
    charset: str = "utf-8"


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One source that this agent speaks for."""

    source_id: str
    origin: Folder | Query
    silence_seconds: float = 3_600.0
    compare_seconds: float = 86_400.0


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """The whole of agent.toml."""

    path: Path
    gateway: str
    spool: Path
    sources: tuple[SourceSettings, ...]
    certificate: Certificate | None = None
    bandwidth_bytes: int = 0
    window: int = 4
    limits: SpoolSettings = field(default_factory=SpoolSettings)

    def spool_of(self, source_id: str) -> Path:
        """The folder of one source's spool."""
        return self.spool / source_id


class _Table:
    """A table of the file, whose names are taken one by one; what is left over is refused."""

    def __init__(self, path: Path, place: str, values: Mapping[str, Any]) -> None:
        self._path, self._place, self._values = path, place, dict(values)

    def take(self, name: str, kind: type[_Value], default: _Value | None = None) -> _Value:
        value = self._values.pop(name, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fail(name, f"is not a {kind.__name__}." if value is not None else "is missing.")
        return value

    def number(self, name: str, default: _Value, *, least: float) -> _Value:
        value = self.take(name, type(default), default)
        if float(value) < least:
            raise self.fail(name, f"has to be at least {least:g}.")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.take(name, str, allowed[0])
        if value not in allowed:
            raise self.fail(name, f"has to be one of {', '.join(allowed)}.")
        return value

    def path(self, name: str, default: str | None = None) -> Path:
        return self._path.parent / self.take(name, str, default)

    def names(self, name: str) -> tuple[str, ...]:
        values = self._values.pop(name, None)
        if not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
            raise self.fail(name, "has to be a list of names.")
        return tuple(values)

    def table(self, name: str) -> "_Table | None":
        values = self._values.pop(name, None)
        if values is None:
            return None
        if not isinstance(values, dict):
            raise self.fail(name, "has to be a table.")
        return _Table(self._path, f"{self._place}{name}.", values)

    def tables(self, name: str) -> list["_Table"]:
        values = self._values.pop(name, [])
        if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
            raise self.fail(name, f"has to be written as [[{name}]].")
        return [_Table(self._path, f"{name} {number}: ", one) for number, one in enumerate(values, start=1)]

    def has(self, name: str) -> bool:
        return name in self._values

    def done(self) -> None:
        for name in self._values:
            raise self.fail(name, "is no setting.")

    def fail(self, name: str, problem: str) -> FatalAgentSettingError:
        return FatalAgentSettingError(
            f"{self._path.name}: {self._place}{name}", problem, next_step="see docs/agent.md."
        )


def read(path: Path) -> AgentSettings:
    """The settings in a file. Raises FatalAgentSettingError, naming the place."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FatalAgentSettingError(
            str(path), f"{error.strerror}.", next_step="run `lienthong agent init`."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FatalAgentSettingError(path.name, f"{error}.", next_step="correct that line.") from error
    top = _Table(path, "", values)
    limits = top.table("limits") or _Table(path, "limits.", {})
    sources = tuple(_source(one) for one in top.tables("source"))
    if not sources or len({one.source_id for one in sources}) < len(sources):
        raise top.fail("source", "has to be there, and each source_id once.")
    settings = AgentSettings(
        path=path,
        gateway=_gateway(top),
        spool=top.path("spool", "spool"),
        sources=sources,
        certificate=_certificate(top.table("certificate")),
        bandwidth_bytes=limits.number("bandwidth_kib", 0, least=0) * 1024,
        window=limits.number("window", 4, least=1),
        limits=SpoolSettings(
            quota_bytes=limits.number("quota_mib", 2048, least=1) * MIB,
            reserve_bytes=limits.number("reserve_mib", 64, least=0) * MIB,
            segment_bytes=limits.number("segment_mib", 16, least=1) * MIB,
            keep_seconds=limits.number("keep_days", 30.0, least=0) * 86_400,
            signed_receipts=limits.take("signed_receipts", bool, default=True),
        ),
    )
    limits.done()
    top.done()
    return settings


def _gateway(table: _Table) -> str:
    gateway = table.take("gateway", str)
    host, _, port = gateway.rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise table.fail("gateway", "has to be host:port.")
    return gateway


def _certificate(table: _Table | None) -> Certificate | None:
    if table is None:
        return None
    named = Certificate(
        certificate=table.path("certificate"), key=table.path("key"), authorities=table.path("authorities")
    )
    table.done()
    return named


def _source(table: _Table) -> SourceSettings:
    source_id = table.take("source_id", str)
    if not source_id or not all(one.isascii() and (one.isalnum() or one in "-._") for one in source_id):
        raise table.fail("source_id", "is not a source's id.")  # it names a folder as well
    folder, query = table.table("folder"), table.table("query")
    if (folder is None) == (query is None):
        raise table.fail("folder", "or query has to be there, and not both.")
    settings = SourceSettings(
        source_id=source_id,
        origin=_folder(folder) if folder else _query(query or table),
        silence_seconds=table.number("silence_seconds", 3_600.0, least=1),
        compare_seconds=table.number("compare_seconds", 86_400.0, least=1),
    )
    table.done()
    return settings


def _folder(table: _Table) -> Folder:
    folder = Folder(
        path=table.path("path"),
        settle_seconds=table.number("settle_seconds", 2.0, least=0),
        poll_seconds=table.number("poll_seconds", 5.0, least=0.05),
        force_polling=table.take("force_polling", bool, default=False),
        exported_on=table.choice("exported_on", ("name", "modified")),
        format=table.choice("format", FORMATS),
    )
    table.done()
    return folder


def _query(table: _Table) -> Query:
    if table.has("table") == table.has("query"):
        raise table.fail("table", "or query has to be there, and not both.")
    if table.has("url_file") == table.has("url_variable"):
        raise table.fail("url_file", "or url_variable has to be there, and not both.")
    query = Query(
        url_file=table.path("url_file") if table.has("url_file") else None,
        url_variable=table.take("url_variable", str, ""),
        table=table.take("table", str, ""),
        query=table.take("query", str, ""),
        columns=table.names("columns"),
        watermark=table.take("watermark", str),
        key=table.take("key", str),
        chunk=table.number("chunk", 2_000, least=1),
        poll_seconds=table.number("poll_seconds", 60.0, least=0.05),
        format=table.choice("format", ROW_FORMATS),
        separator=_separator(table),
        charset=_charset(table),
    )
    table.done()
    return query


def _separator(table: _Table) -> str:
    separator = table.take("separator", str, ",")
    if len(separator) != 1 or separator in '\r\n"':
        raise table.fail("separator", "has to be one character, no quote and no end of a line.")
    return separator


def _charset(table: _Table) -> str:
    """What csv is written in. TCVN3, VNI and VISCII are read by the gateway and not written by an agent."""
    charset = table.take("charset", str, "utf-8")
    try:
        codecs.lookup(charset)
        "".encode(charset)
    except LookupError:
        raise table.fail(
            "charset", 'is none that an agent writes; leave it out and write format = "arrow", which needs none.'
        ) from None
    return charset
