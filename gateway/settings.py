"""The gateway's settings, read from the environment once. `python -m gateway.settings` prints docs/settings.md."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from gateway.errors import FatalSettingError

PREFIX = "LIENTHONG_"
# What callers and agents are told by; docs/operating-certificates.md and docs/agent.md.
OF_OTHERS = frozenset(
    PREFIX + name for name in ("CLIENT_CERTIFICATE", "CLIENT_KEY", "CLIENT_AUTHORITIES", "AGENT_SETTINGS")
)


@dataclass(frozen=True)
class Setting:
    """What a setting means, and how its text is read: `read` raises ValueError when it cannot be used."""

    says: str
    read: Callable[[str], object] = str


class Failpoint(StrEnum):
    """Where a test may have the process kill itself."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT_BEFORE_RECEIPT = "after_commit_before_receipt"


@dataclass(frozen=True)
class ArmedFailpoint:
    """At the `hit`-th pass of `place` the process sends itself SIGKILL, or SIGSTOP when it only `pauses`."""

    place: Failpoint
    hit: int
    pauses: bool = False


def _whole(text: str, *, least: int = 1) -> int:
    if not text.removeprefix("-").isdecimal():
        raise ValueError("must be a whole number")
    number = int(text)
    if number < least:
        raise ValueError(f"must be at least {least}")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 < number < 86_400:
        raise ValueError("must be seconds, more than 0 and less than a day")
    return number


def _below_a_minute(text: str) -> float:
    number = _seconds(text)
    if number >= 60:
        raise ValueError("must be less than 60 seconds")
    return number


def _minute(text: str) -> float:
    number = _seconds(text)
    if number > 60:
        raise ValueError("must be at most 60 seconds")
    return number


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return text == "1"


def _port(text: str) -> int:
    number = _whole(text, least=0)
    if number > 65_535:
        raise ValueError("must be a port, or 0 for a free one")
    return number


def _failpoint(text: str) -> ArmedFailpoint:
    place, _, rest = text.partition(":")
    hit, _, pause = rest.partition(":")
    if pause not in {"", "pause"}:
        raise ValueError("must end with the number of the pass, or with :pause")
    return ArmedFailpoint(Failpoint(place), _whole(hit or "1"), pauses=bool(pause))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the gateway can be told. Each field is the environment variable LIENTHONG_<FIELD IN CAPITALS>."""

    database_url: Annotated[
        str | None,
        Setting("A PostgreSQL of version 15 or later, as an SQLAlchemy URL. Unset: one of our own in the data folder."),
    ] = None
    data_folder: Annotated[Path, Setting("Where our own PostgreSQL and other local state live.", Path)] = Path(
        ".lienthong"
    )
    host: Annotated[str, Setting("The address to listen on. Without certificates it has to be one of loopback.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Setting("The port to listen on; 0 takes a free one, which the first line of output names.", _port)
    ] = 50_551
    processes: Annotated[
        int,
        Setting(
            "Processes that share the port; as many as cores is a good value where PostgreSQL has others. Each takes"
            " the settings below for itself, and the n-th the metrics port and n − 1.",
            _whole,
        ),
    ] = 1
    reflection: Annotated[bool, Setting("1 lets tools such as grpcurl ask for the services.", _flag)] = False
    push_streams: Annotated[
        int,
        Setting(
            "Pushes open at once, all systems of the provinces and more; one more is refused with STREAMS_EXHAUSTED.",
            _whole,
        ),
    ] = 256
    batches_in_flight: Annotated[
        int, Setting("Unanswered batches of one push; the gateway reads no further.", _whole)
    ] = 4
    bytes_in_flight: Annotated[
        int, Setting("Payload bytes of all pushes together that wait for an answer; further ones are not read.", _whole)
    ] = 256 * 1024 * 1024
    updates_waiting: Annotated[
        int, Setting("Single updates that wait for their commit; one more is refused with RATE_EXCEEDED.", _whole)
    ] = 4_096
    updates_waiting_of_source: Annotated[
        int, Setting("Of these, those of one source; its next one is refused with RATE_EXCEEDED.", _whole)
    ] = 1_024
    store_threads: Annotated[
        int, Setting("Calls to the database at once, each with a connection of its own.", _whole)
    ] = 8
    normalise_threads: Annotated[
        int, Setting("Batches normalised at once; the number of cores is a good value.", _whole)
    ] = 2
    sequence_seconds: Annotated[
        float, Setting("Between two passes that give committed changes their place in the feed.", _seconds)
    ] = 0.2
    failover_keeps_all: Annotated[
        bool,
        Setting(
            "1 says that a database which takes over holds all that was committed (a synchronous standby): the feed"
            " keeps its epoch then. See operating-database.md.",
            _flag,
        ),
    ] = False
    grants_seconds: Annotated[
        float, Setting("How old the grants that calls are held against may be; less than a minute.", _below_a_minute)
    ] = 15.0
    watch_seconds: Annotated[
        float, Setting("Between two looks at what waits, what is late and whose it is, for the metrics.", _seconds)
    ] = 15.0
    copy_stall_seconds: Annotated[
        float,
        Setting("After how long a COPY of any gateway is ended that gets no further, as its gateway hangs.", _seconds),
    ] = 30.0
    drain_seconds: Annotated[
        float, Setting("How long open calls may take to end after SIGTERM or SIGINT.", _seconds)
    ] = 20.0
    keepalive_seconds: Annotated[
        float,
        Setting("Between two pings of the gateway on a silent connection.", _seconds),
    ] = 60.0
    ping_seconds: Annotated[
        float, Setting("How often a client may ping; more often ends its connection with too_many_pings.", _seconds)
    ] = 10.0
    connection_age_seconds: Annotated[
        float,
        Setting("How old a connection may become, give or take a tenth; then it is told to go (GOAWAY).", _seconds),
    ] = 1_800.0
    connection_grace_seconds: Annotated[
        float, Setting("How long calls on a connection that was told to go may take to end.", _seconds)
    ] = 600.0
    pushes_per_source: Annotated[
        int, Setting("Pushes of one source open at once; further ones are refused with STREAMS_EXHAUSTED.", _whole)
    ] = 16
    pushes_per_second: Annotated[
        int, Setting("Pushes of one source opened in a second; one more is refused with RATE_EXCEEDED.", _whole)
    ] = 20
    calls_per_second: Annotated[
        int, Setting("Calls of one source or registry; one more is refused with RATE_EXCEEDED.", _whole)
    ] = 10_000
    push_bytes_per_second: Annotated[
        int, Setting("Payload bytes of one source; the pushes of a faster one are read more slowly.", _whole)
    ] = 64 * 1024 * 1024
    statuses_per_second: Annotated[
        int, Setting("Questions of one caller where updates are; one more is refused with RATE_EXCEEDED.", _whole)
    ] = 5_000
    portal_records_per_second: Annotated[
        int, Setting("Of these, those of one portal that name a source and a record.", _whole)
    ] = 200
    portal_misses_per_second: Annotated[
        int,
        Setting(
            "Of these, those that name nothing it may see; until it has made up for them it may name none.", _whole
        ),
    ] = 5
    statuses_waiting: Annotated[
        int, Setting("Such questions that wait for the database; one more is refused with RATE_EXCEEDED.", _whole)
    ] = 4_096
    statuses_kept: Annotated[int, Setting("Answers that are kept for who asks the same again.", _whole)] = 20_000
    status_seconds: Annotated[float, Setting("How old an answer where an update is may be.", _minute)] = 1.0
    ended_status_seconds: Annotated[
        float, Setting("How old it may be where a receipt's update has ended, which only a steward undoes.", _seconds)
    ] = 30.0
    update_watches: Annotated[
        int, Setting("Watches of updates open at once; one more is refused with STREAMS_EXHAUSTED.", _whole)
    ] = 20_000
    update_watches_per_caller: Annotated[
        int, Setting("Of these, those of one caller; further ones are refused with STREAMS_EXHAUSTED.", _whole)
    ] = 128
    moves_seconds: Annotated[
        float, Setting("Between two looks for changes of state while anybody watches updates.", _seconds)
    ] = 0.5
    update_bookmark_seconds: Annotated[
        float, Setting("After how long a watch without changes is told that there are none.", _minute)
    ] = 20.0
    watches_per_consumer: Annotated[
        int, Setting("Streams of the feed of one registry open at once; more are refused, STREAMS_EXHAUSTED.", _whole)
    ] = 4
    watch_bookmark_seconds: Annotated[
        float, Setting("How long a stream of the feed is silent before it is told how far it is.", _seconds)
    ] = 15.0
    watch_bytes: Annotated[
        int, Setting("What the gateway holds for one stream of the feed that is read slowly, about.", _whole)
    ] = 32 * 1024 * 1024
    snapshot_folder: Annotated[
        Path, Setting("Where the job publish_snapshot writes; registries download from there.", Path)
    ] = Path("snapshots")
    snapshots_kept: Annotated[
        int, Setting("How many snapshots of a registry, the newest, are kept however old they are.", _whole)
    ] = 3
    snapshot_days: Annotated[int, Setting("For how many days any snapshot is kept.", _whole)] = 7
    snapshot_hold_hours: Annotated[
        int, Setting("For how long a snapshot is kept once a registry last asked for it or for a piece of it.", _whole)
    ] = 24
    model_folder: Annotated[
        Path,
        Setting(
            "Where provinces' own linkage models are, CODE.json; runs use them, and the shipped one without.", Path
        ),
    ] = Path("models")
    help_url: Annotated[str, Setting("Where the link in an error's Help leads; #reason is added.")] = (
        "docs/error-reasons.md"
    )
    signing_key: Annotated[
        Path | None, Setting("The PEM key that receipts are signed by, on P-256; re-read when it changes.", Path)
    ] = None
    signing_certificate: Annotated[
        Path | None, Setting("Its certificate, PEM, with those above it if any. Without the two, no signatures.", Path)
    ] = None
    signing_authorities: Annotated[
        Path | None,
        Setting(
            "The authorities (PEM) under which batches and events may be signed. Unset: those of TLS; without"
            " any, nothing is verified.",
            Path,
        ),
    ] = None
    signing_revocations: Annotated[
        Path | None, Setting("Their revocation lists (PEM); re-read when they change. Unset: those of TLS.", Path)
    ] = None
    tls_certificate: Annotated[
        Path | None,
        Setting("The gateway's certificate, PEM, with its intermediates. See operating-certificates.md.", Path),
    ] = None
    tls_key: Annotated[Path | None, Setting("The private key of the certificate, PEM.", Path)] = None
    tls_authorities: Annotated[
        Path | None, Setting("The authorities whose certificates callers may show, PEM.", Path)
    ] = None
    tls_revocations: Annotated[
        Path | None, Setting("The signed lists of revoked certificates (CRL), PEM, one an authority.", Path)
    ] = None
    tls_look_seconds: Annotated[
        float,
        Setting(
            "Between two looks at these four files and at who is connected; a revocation works within it.", _minute
        ),
    ] = 10.0
    trust_domain: Annotated[str, Setting("The first part of every identity: spiffe://<trust domain>/source/…")] = (
        "lienthong"
    )
    trace_file: Annotated[Path | None, Setting("A file that spans are appended to as JSON lines.", Path)] = None
    otlp_endpoint: Annotated[str | None, Setting("The base address of an OTLP/HTTP collector.")] = None
    metrics_port: Annotated[
        int | None, Setting("A loopback port that serves metrics to Prometheus; 0 takes a free one.", _port)
    ] = None
    console_host: Annotated[
        str, Setting("The address of the stewards' console. Elsewhere than on loopback give the origin.")
    ] = "127.0.0.1"
    console_port: Annotated[
        int, Setting("Its port; 0 takes a free one, which the first line of output names.", _port)
    ] = 50_580
    console_origin: Annotated[
        str | None,
        Setting("How browsers call it, such as https://lienthong.example; what ends TLS passes the host on unchanged."),
    ] = None
    console_idle_seconds: Annotated[
        float, Setting("After how long without a request a person has to sign in again.", _seconds)
    ] = 900.0
    console_session_seconds: Annotated[
        float, Setting("After how long a person has to sign in again, whatever they do.", _seconds)
    ] = 28_800.0
    console_step_up_seconds: Annotated[
        float,
        Setting("How long ago a person may have proved who they are when they decide that two are one.", _seconds),
    ] = 600.0
    console_reveals_per_day: Annotated[int, Setting("Masked values one person may look at in a day.", _whole)] = 60
    console_oidc_issuer: Annotated[
        str | None,
        Setting("The OpenID provider that people sign in with. Unset: local users and their passwords only."),
    ] = None
    console_oidc_client_id: Annotated[str, Setting("What that provider knows the console as.")] = "lienthong-console"
    console_oidc_client_secret: Annotated[
        Path | None, Setting("A file with the secret the provider gave the console, if it gave one.", Path)
    ] = None
    failpoint: Annotated[
        ArmedFailpoint | None,
        Setting(
            f"For tests only: {' or '.join(Failpoint)}, with :n for the n-th pass. The process kills itself "
            "there; with :n:pause it stops until SIGCONT.",
            _failpoint,
        ),
    ] = None


def _declared() -> Iterator[tuple[str, str, Setting]]:
    hints = get_type_hints(Settings, include_extras=True)
    for one in fields(Settings):
        yield one.name, PREFIX + one.name.upper(), hints[one.name].__metadata__[0]


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environment`, by default the process's. An empty value counts as unset.

    Raises FatalSettingError, naming the variable, when a value cannot be used.
    """
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for name, variable, setting in _declared():
        if text := given.get(variable):
            try:
                values[name] = setting.read(text)
            except ValueError as error:
                raise FatalSettingError(variable, f"{error}.", next_step="see docs/settings.md.") from error
    return Settings(**values)


def unknown(environment: Mapping[str, str] | None = None) -> list[str]:
    """What to say of each variable of `environment` that looks like a setting and is none: it changes nothing."""
    given = os.environ if environment is None else environment
    known = sorted(OF_OTHERS | {variable for _, variable, _ in _declared()})
    endings = [one.removeprefix(PREFIX) for one in known]
    said = []
    for name in sorted(name for name in given if name.startswith(PREFIX) and name not in known):
        alike = [one for one in known if one.startswith(name)]
        alike += [PREFIX + one for one in get_close_matches(name.removeprefix(PREFIX), endings, n=1)]
        vi, en = (f"; ý là {alike[0]}?", f" Is {alike[0]} meant?") if alike else ("", "")
        said.append(
            f"{name}: không có cài đặt này{vi} · is no setting and does nothing.{en} Next: see docs/settings.md."
        )
    return said


def passed_on(changed: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with some settings (field: text) changed, for a process that it starts."""
    return os.environ | {PREFIX + name.upper(): text for name, text in changed.items()}


def as_markdown() -> str:
    """docs/settings.md, from the fields above."""
    lines = [
        "# Settings",
        "",
        "Written by `python -m gateway.settings > docs/settings.md`; a test compares. Read once, at start. A variable",
        "named `LIENTHONG_…` that is no setting does nothing: the start says so, and `lienthong doctor` is not well.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    defaults = Settings()
    for name, variable, setting in _declared():
        default = getattr(defaults, name)
        shown = "" if default is None else f"`{int(default) if isinstance(default, bool) else default}`"
        lines.append(f"| `{variable}` | {shown} | {setting.says} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
