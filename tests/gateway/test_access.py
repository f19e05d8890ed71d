"""Who may speak for whom: the identity of a grant, on its days; what is unknown and what is not theirs look alike."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.canonical import RecordKind
from adapters.catalogue import load
from gateway import access
from gateway.access import KnownGrants
from gateway.errors import Reason, RejectedCallError, explain
from gateway.identity import Caller
from gateway.wire.faults import write_status
from reconciliation.entitlements import read_grants, shipped_source_grants
from reconciliation.errors import RetryableStoreError
from reconciliation.model import Grant, Grants
from tests import provinces

TODAY = date(2025, 8, 1)
SOURCE = "lao-cai.population"
NOBODY = Caller()


def identity(source_id: str) -> Caller:
    return Caller(uri=f"spiffe://lienthong/source/{source_id}")


def registry(consumer_id: str) -> Caller:
    return Caller(uri=f"spiffe://lienthong/consumer/{consumer_id}")


def standing(**changes: object) -> Grants:
    """The shipped grants; that of SOURCE changed."""
    sources = {grant.source_id: grant for grant in shipped_source_grants(load())}
    sources[SOURCE] = replace(sources[SOURCE], **changes)  # type: ignore[arg-type]
    consumers: dict[str, tuple[Grant, ...]] = {}
    for grant in read_grants():
        consumers[grant.consumer_id] = (*consumers.get(grant.consumer_id, ()), grant)
    return Grants(sources=sources, consumers=consumers)


def refusal(call: Callable[[], object]) -> RejectedCallError:
    with pytest.raises(RejectedCallError) as refused:
        call()
    return refused.value


def on_wire(error: RejectedCallError) -> bytes:
    """All that a caller is told of an error."""
    return bytes(write_status(explain(error), help_url="docs/error-reasons.md").SerializeToString())


def test_of_all_pairs_of_provinces_only_a_sources_own_certificate_speaks_for_it():
    grants = standing()
    speaking = set()
    for caller, named in ((a, b) for a in provinces.sources().values() for b in provinces.sources().values()):
        try:
            granted = access.source(load(), grants, identity(caller.source_id), named.source_id, on=TODAY)
        except RejectedCallError as refused:
            assert refused.reason is Reason.NOT_ENTITLED
            continue
        assert granted.province_codes == (caller.province_code,)
        speaking.add((caller.source_id, named.source_id))

    assert speaking == {(one.source_id, one.source_id) for one in provinces.sources().values()}


def test_a_grant_says_what_holds_for_its_source():
    grants = standing(province_codes=("15", "25"), signature_required=True, granted_until=date(2025, 12, 31))

    granted = access.source(load(), grants, identity(SOURCE), SOURCE, on=TODAY)

    assert granted.source.source_id == SOURCE
    assert granted.province_codes == ("15", "25")
    assert (granted.signature_required, granted.granted_until) == (True, date(2025, 12, 31))
    assert granted.legal_reference == "Luật Căn cước 26/2023/QH15"


@pytest.mark.parametrize(
    ("changes", "on", "is_granted"),
    [
        ({}, TODAY, True),
        ({"granted_from": TODAY}, TODAY, True),
        ({"granted_from": TODAY + timedelta(days=1)}, TODAY, False),
        ({"granted_until": TODAY}, TODAY, True),
        ({"granted_until": TODAY - timedelta(days=1)}, TODAY, False),
        ({"kind": RecordKind.HOUSEHOLD}, TODAY, False),
        ({"identity_uris": ()}, TODAY, False),
    ],
)
def test_a_grant_of_other_days_or_another_kind_is_none(changes, on, is_granted):
    grants = standing(**changes)

    def ask() -> object:
        return access.source(load(), grants, identity(SOURCE), SOURCE, on=on)

    if is_granted:
        assert ask()
    else:
        assert on_wire(refusal(ask)) == on_wire(access.not_entitled())


def test_an_agent_speaks_for_the_sources_whose_grants_name_it():
    agent = Caller(uri="spiffe://lienthong/province/15")
    grants = standing(identity_uris=(f"spiffe://lienthong/source/{SOURCE}", "spiffe://lienthong/province/15"))

    assert access.source(load(), grants, agent, SOURCE, on=TODAY)
    assert refusal(lambda: access.source(load(), grants, agent, "yen-bai.population", on=TODAY))
    assert access.sources(grants, agent, on=TODAY) == (SOURCE,)


def test_a_caller_asks_about_its_own_sources_only_and_on_loopback_about_all():
    grants = standing(granted_until=TODAY)

    assert access.sources(grants, identity(SOURCE), on=TODAY) == (SOURCE,)
    assert access.sources(grants, identity(SOURCE), on=TODAY + timedelta(days=1)) == ()
    assert access.sources(grants, registry("population"), on=TODAY) == ()
    assert access.sources(grants, NOBODY, on=TODAY) is None


def test_without_certificates_an_unknown_source_is_named_and_a_grant_still_holds():
    expired = standing(granted_until=TODAY - timedelta(days=1))

    unknown = refusal(lambda: access.source(load(), expired, NOBODY, "atlantis.population", on=TODAY))
    ended = refusal(lambda: access.source(load(), expired, NOBODY, SOURCE, on=TODAY))

    assert (unknown.reason, unknown.facts) == (Reason.SOURCE_UNKNOWN, {"source_id": "atlantis.population"})
    assert ended.reason is Reason.NOT_ENTITLED


def lines_run(call: Callable[[], object]) -> list[tuple[str, int]]:
    """The lines of gateway.access that a refused call runs, in order."""
    ran: list[tuple[str, int]] = []

    def trace(frame, event, _):
        if frame.f_code.co_filename != access.__file__:
            return None
        if event == "line":
            ran.append((frame.f_code.co_name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except RejectedCallError:
        pass
    finally:
        sys.settrace(before)
    return ran


FOREIGN_SOURCES = {
    "another's": "yen-bai.population",
    "unknown": "atlantis.population",
    "nothing": "",
    "no name": "a\n\x1b[31m",
    "a long one": "x" * 10_000,
}


@pytest.mark.parametrize("name", FOREIGN_SOURCES.values(), ids=FOREIGN_SOURCES)
def test_unknown_and_not_entitled_are_one_answer_after_the_same_steps(name):
    grants = standing(granted_until=TODAY - timedelta(days=1))

    def ask(source_id: str) -> Callable[[], object]:
        return lambda: access.source(load(), grants, identity(SOURCE), source_id, on=TODAY)

    assert on_wire(refusal(ask(name))) == on_wire(refusal(ask(SOURCE)))
    assert refusal(ask(name)).facts == {}
    assert lines_run(ask(name)) == lines_run(ask(SOURCE))


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_named_and_whoever_names_it_nobody_else_is_let_in(uri, named):
    caller = Caller(uri=f"spiffe://lienthong/source/{uri}")

    error = refusal(lambda: access.source(load(), standing(), caller, named, on=TODAY))

    assert on_wire(error) == on_wire(access.not_entitled())


def test_a_registry_speaks_for_itself_only():
    grants = standing()

    own = access.consumer(grants, registry("population"), "population", on=TODAY)
    believed = access.consumer(grants, NOBODY, "social-insurance", on=TODAY)
    foreign = [
        refusal(lambda named=named, who=who: access.consumer(grants, who, named, on=TODAY))
        for who, named in [
            (registry("population"), "social-insurance"),
            (registry("population"), "atlantis"),
            (identity(SOURCE), "population"),
            (registry("atlantis"), "atlantis"),
            (registry("population"), ""),
        ]
    ]
    unknown = refusal(lambda: access.consumer(grants, NOBODY, "atlantis", on=TODAY))

    assert set(own.grants) == {RecordKind.PERSON, RecordKind.HOUSEHOLD}
    assert believed.consumer_id == "social-insurance"
    assert {on_wire(one) for one in foreign} == {on_wire(access.not_entitled())}
    assert unknown.reason is Reason.CONSUMER_UNKNOWN


def test_a_registrys_grant_of_other_days_is_none():
    person, household = standing().consumers["population"]
    grants = Grants(
        sources={}, consumers={"population": (replace(person, granted_until=TODAY - timedelta(days=1)), household)}
    )

    granted = access.consumer(grants, registry("population"), "population", on=TODAY)

    assert set(granted.grants) == {RecordKind.HOUSEHOLD}


class Store:
    """Counts how often grants are read; may be away."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_away = False

    async def read(self) -> Grants:
        await asyncio.sleep(0)
        if self.is_away:
            raise RetryableStoreError("away")
        self.reads += 1
        return Grants(sources={}, consumers={})


def test_grants_are_read_again_after_the_interval_once_for_all_and_after_a_clock_that_went_back():
    store, times = Store(), [datetime(2025, 8, 1, tzinfo=UTC)]
    known = KnownGrants(store.read, clock=lambda: times[-1], interval_seconds=15)

    async def run() -> list[int]:
        seen = []
        for step in (0, 14, 1, 0, -3600, 14):
            times.append(times[-1] + timedelta(seconds=step))
            await asyncio.gather(*(known.standing() for _ in range(5)))
            seen.append(store.reads)
        return seen

    assert asyncio.run(run()) == [1, 1, 2, 2, 3, 3]


def test_grants_that_are_too_old_and_cannot_be_read_let_nobody_in():
    store, times = Store(), [datetime(2025, 8, 1, tzinfo=UTC)]
    known = KnownGrants(store.read, clock=lambda: times[-1], interval_seconds=15)

    async def run() -> None:
        await known.standing()
        store.is_away = True
        await known.standing()
        times.append(times[-1] + timedelta(seconds=15))
        with pytest.raises(RetryableStoreError):
            await known.standing()
        store.is_away = False
        await known.standing()

    asyncio.run(run())

    assert store.reads == 2
