"""Which provinces a visitor sees, and what codes are called: of provinces, offices, states, and today's units."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import pyarrow.compute as pc

from adapters.canonical import RecordKind
from adapters.catalogue import Catalogue, Province, load
from adapters.reference.units import units_on
from gateway.console.doors import MissingPageError, Visit
from gateway.console.units import Former, formers_in
from gateway.console.words import Words, alphabetical, later
from reconciliation import duties
from reconciliation.conflicts import CATALOGUE
from reconciliation.entitlements import read_grants
from reconciliation.lifecycle import TERMINAL, VIETNAM
from reconciliation.model import CaseKind, State
from reconciliation.store import unit_events
from reconciliation.users import UserRole

_ENDED: Mapping[State, str] = {
    State.APPLIED: later("Đã áp dụng"),
    State.REFUSED: later("Bị từ chối"),
    State.SUPERSEDED: later("Có phiên bản mới hơn"),
    State.WITHDRAWN: later("Đã rút"),
}

_HOLDS: Mapping[RecordKind, str] = {
    RecordKind.PERSON: later("Dân cư"),
    RecordKind.HOUSEHOLD: later("Hộ gia đình"),
    RecordKind.INSURANCE: later("Bảo hiểm xã hội"),
}
_OF_CITIZENS = later("Đề nghị của công dân")


def provinces(visit: Visit) -> frozenset[str] | None:
    """The provinces whose figures the visitor reads, by any role; None is the whole country."""
    seen = [visit.user.provinces(role) for role in (UserRole.VIEWER, UserRole.OPERATOR)]
    return None if None in seen else frozenset().union(*(codes for codes in seen if codes))


def listed(visit: Visit) -> list[Province]:
    """The provinces the visitor sees, by their names."""
    seen = provinces(visit)
    pages = load().provinces.values()
    return sorted((one for one in pages if seen is None or one.code in seen), key=lambda one: by_place(one.name))


def province(visit: Visit, code: str) -> Province:
    """A province the visitor sees. Raises MissingPageError for any other."""
    found = next((one for one in listed(visit) if one.code == code), None)
    if found is None:
        raise MissingPageError
    return found


def sources(codes: Iterable[str] | None) -> frozenset[str] | None:
    """The sources of provinces; None is all of them."""
    if codes is None:
        return None
    pages = load().provinces
    return frozenset(source.source_id for code in codes if code in pages for source in pages[code].sources)


def by_place(name: str) -> tuple[tuple[str, int], ...]:
    """What a province is sorted by: its name without its type, by which people look for it."""
    return alphabetical(name.removeprefix("Thành phố ").removeprefix("Tỉnh "))


def province_name(code: str) -> str:
    """What a province is called; the code itself where no page names it."""
    found = load().provinces.get(code)
    return found.name if found else code


def system_name(words: Words, source_id: str) -> str:
    """What a system is called: what it holds, and of which former province; its id where no page names it."""
    source = load().sources.get(source_id)
    if source is None:
        return source_id
    held = words.say(_OF_CITIZENS if source.is_citizens else _HOLDS[source.kind])
    where = source.former_province_name.removeprefix("Tỉnh ").removeprefix("Thành phố ")
    is_merged = len(load().provinces[source.province_code].formers) > 1
    return f"{held}, {words.say(later('%(province)s cũ'), province=where) if is_merged else where}"


def office(owner: str) -> str:
    """The office behind the owner of an update."""
    catalogue: Catalogue = load()
    return duties.person(
        owner, catalogue=catalogue, registries={grant.consumer_id: grant.name for grant in read_grants()}
    )


def kind_name(visit: Visit, kind: CaseKind) -> str:
    """What a kind of case is called, in the same words on every page."""
    return visit.words.pick((CATALOGUE[kind].name_vi, CATALOGUE[kind].name_en))


def state_name(visit: Visit, state: State) -> str:
    """What a state of an update is called: what is to be done, or how it ended."""
    return visit.say(_ENDED[state]) if state in TERMINAL else visit.words.pick(duties.DUTIES[state].task)


def unit_names(visit: Visit, *, now: datetime) -> dict[str, str]:
    """Today's communes by code."""
    units = units_on(now.astimezone(VIETNAM).date(), tables=unit_events.tables_known(visit.engine))
    return dict(zip(units["code"].to_pylist(), units["name"].to_pylist(), strict=True))


def units_of(visit: Visit, province_code: str, *, now: datetime) -> dict[str, str]:
    """Today's communes of one province by code."""
    units = units_on(now.astimezone(VIETNAM).date(), tables=unit_events.tables_known(visit.engine))
    own = units.filter(pc.equal(units["province_code"], province_code))
    return dict(zip(own["code"].to_pylist(), own["name"].to_pylist(), strict=True))


def units_by_any_name(visit: Visit, province_code: str, *, now: datetime) -> list[tuple[str, str]]:
    """Today's communes of one province, each as often as it has names: (code, the name in words), old ones included."""
    formers = formers_in(province_code, now.astimezone(VIETNAM).date(), unit_events.tables_known(visit.engine))
    return [*units_of(visit, province_code, now=now).items(), *((one.code, _named(visit, one)) for one in formers)]


def _named(visit: Visit, one: Former) -> str:
    where = ", ".join(part for part in (one.name, one.district) if part)
    if one.residents == "all":
        return visit.say("%(where)s: tên cũ, mọi người dân", where=where)
    return visit.say("%(where)s: tên cũ, một phần người dân", where=where)
