"""One screen of what happened, and the same as JSON. Every figure is read from what is running, none is remembered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.box import SIMPLE_HEAD
from rich.panel import Panel
from rich.table import Table

from adapters import catalogue, simulator
from adapters.canonical import RecordKind
from adapters.reference import units
from gateway.cli import saying
from gateway.cli.demo.house import House
from gateway.cli.demo.pulling import Pulled
from gateway.cli.demo.reconciling import dag_runs
from gateway.errors import GatewayError
from reconciliation import review
from reconciliation.conflicts import CATALOGUE, OF_BROKEN_RULES
from reconciliation.directory import of_province
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import State
from reconciliation.scoring import evaluate
from reconciliation.store import balance, feed, reconciling, stuck

UNTOUCHED_DAYS = 14  # what would be stuck by then if nobody acted
SHOWN_UNITS = 2  # of each province, those that came from the most former ones; the report has all
BALANCED = ("received", "accepted", "quarantined", "superseded", "pending")
ACCOUNTED = ("records", "subjects", "doubles", "waiting")
Result = dict[str, Any]


def gather(house: House, country: simulator.Country, pulls: Sequence[Pulled], *, now: datetime) -> Result:
    """The demo's result, as it is written to --json."""
    conserved = balance.conservation(house.engine)
    of_units = {kind: balance.units(house.engine, kind) for kind in (RecordKind.PERSON, RecordKind.HOUSEHOLD)}
    placed = balance.recoded(house.engine)
    published = balance.subjects_published(house.engine)
    score = evaluate(reconciling.assignment(house.engine), _truth(country))
    return {
        "told_on": now.astimezone(VIETNAM).date().isoformat(),
        **{name: _by_province_and_kind(conserved, name) for name in BALANCED},
        "balance": {
            "closed": all(row.closed for row in conserved)
            and all(row.closed for rows in of_units.values() for row in rows)
            and all(sum(row.subjects for row in rows) == published.get(kind, 0) for kind, rows in of_units.items()),
            "kept": _kept(house, country),
            "people": _totals(of_units[RecordKind.PERSON]),
            "households": _totals(of_units[RecordKind.HOUSEHOLD]),
        },
        "units": {
            "recoded": sum(number for outcome, number in placed.items() if outcome in {"current", "retired", "judged"}),
            **placed,
            "people": [asdict(row) for row in of_units[RecordKind.PERSON]],
            "households": [asdict(row) for row in of_units[RecordKind.HOUSEHOLD]],
        },
        "households_rekeyed": balance.rekeyed(house.engine),
        "links": balance.links_made(house.engine),
        "cases": review.count_cases(house.engine),
        "waiting": _waiting(stuck.count(house.engine)),
        "stuck": _waiting(stuck.count(house.engine, now=now)),
        "stuck_if_untouched": {
            "by": (now + timedelta(days=UNTOUCHED_DAYS)).isoformat(timespec="minutes"),
            "updates": _waiting(stuck.count(house.engine, now=now + timedelta(days=UNTOUCHED_DAYS))),
        },
        "states": stuck.by_state(house.engine),
        "lifecycle": {"by_state": stuck.by_state(house.engine), "unowned": balance.unowned(house.engine)},
        "catalogue": _catalogue(balance.cases_seen(house.engine)),
        "feed": {
            "published": feed.head(house.engine).sequence,
            "applied": sum(pull.applied for pull in pulls),
            "refused": sum(pull.refused for pull in pulls),
            "registries": [asdict(pull) for pull in pulls],
        },
        "linkage": {
            "precision": round(score.precision, 5),
            "recall": round(score.recall, 5),
            "true_pairs": score.true,
        },
        "dag_runs": [{"id": f"{run.dag_id} {run.run_id}", "state": run.state} for run in dag_runs(house)],
        "addresses": {"gateway": house.gateway, "metrics": house.metrics, "airflow": house.airflow.address},
    }


def check(result: Result) -> None:
    """Raise GatewayError when the demo did not do what it is there to show."""
    problems = []
    if not result["balance"]["closed"]:
        problems.append("the balance does not close")
    if open_ones := [code for code, kept in result["balance"]["kept"].items() if not kept["closed"]]:
        problems.append(f"the kept balance of {', '.join(open_ones)} does not close")
    if result["lifecycle"]["unowned"]:
        problems.append("something waits for nobody")
    if any(run["state"] != "success" for run in result["dag_runs"]):
        problems.append("a DAG run did not succeed")
    if result["states"].get(State.AWAITING_PULL, 0):
        problems.append("published changes were not pulled")
    if problems:
        raise GatewayError(f"The demo went wrong: {', '.join(problems)}. Next: read the report and the logs.")


def show(result: Result, house: House) -> None:
    """The one screen."""
    console = saying.paper()
    for title, table in (
        ("Nhận = chấp nhận + cách ly + có bản mới hơn + chờ · received = the sum", _conservation_table(result)),
        ("Trước → sau sáp nhập · before → after: records = subjects + doubles + waiting", _people_table(result)),
        ("Cán bộ cần quyết · for the stewards", _cases_table(result)),
        (_waiting_title(result), _waiting_table(result)),
    ):
        console.print(f"\n [bold]{title}[/bold]")
        console.print(table)
    console.print(Panel.fit("\n".join(_figures(result)), title="Liên Thông", title_align="left"))
    for name, place in _places(house):
        # Neither cut nor broken, however narrow the terminal is: these are copied.
        console.print(f"{name:<13}{place}", soft_wrap=True, highlight=False, markup=False)


def _catalogue(seen: Mapping[str, int]) -> dict[str, object]:
    """Which kinds of conflict came up, how often, and which did not that data can raise."""
    return {"seen": dict(seen), "unseen": sorted({str(kind) for kind in CATALOGUE.keys() - OF_BROKEN_RULES} - {*seen})}


def _kept(house: House, country: simulator.Country) -> dict[str, dict[str, object]]:
    """The balance that each province's last run has kept."""
    codes = sorted({catalogue.load().sources[source_id].province_code for source_id in country.systems})
    found = {code: balance.latest(house.engine, code) for code in codes}
    return {
        code: {
            "closed": kept.statement.is_closed,
            "lost": kept.statement.lost,
            "made_at": kept.statement.made_at.isoformat(),
        }
        for code, kept in found.items()
        if kept is not None
    }


def _truth(country: simulator.Country) -> pa.Table:
    persons = simulator.truth(country).persons
    keys = pc.binary_join_element_wise(persons["source_id"], persons["source_record_id"], "|")
    return pa.table({"record_key": keys, "person": persons["person_id"]})


def _by_province_and_kind(rows: Sequence[balance.Conservation], name: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.province_code, {})[row.kind] = getattr(row, name)
    return found


def _totals(rows: Sequence[balance.UnitBalance]) -> dict[str, dict[str, int]]:
    """Per province: records before; after: subjects, doubles joined, waiting; and how many units of each time."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        total = found.setdefault(row.province_code, Counter())
        total.update(records=row.records, subjects=row.subjects, doubles=row.doubles, waiting=row.waiting)
        total.update(units=int(row.unit_code is not None), former_units=row.former_units)
    return {province: dict(total) for province, total in found.items()}


def _waiting(rows: Sequence[stuck.Waiting]) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = {}
    for row in rows:
        found.setdefault(row.state, {})[row.owner] = {
            "updates": row.updates,
            "deadline": row.deadline.isoformat(timespec="minutes"),
        }
    return found


def _of_provinces(owners: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[int, str]]:
    """Owner → updates and first deadline; the desks of communes count as their province's."""
    found: dict[str, tuple[int, str]] = {}
    for owner, row in owners.items():
        updates, first = found.get(of_province(owner), (0, str(row["deadline"])))
        found[of_province(owner)] = updates + row["updates"], min(first, str(row["deadline"]))
    return found


def _name(province_code: str) -> str:
    """The province's name without what kind of province it is."""
    return catalogue.load().provinces[province_code].name.removeprefix("Tỉnh ").removeprefix("Thành phố ")


def _table(*headings: str, words: int) -> Table:
    """A table whose first `words` columns are words and whose others are figures."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < words else "right", no_wrap=True)
    return table


def _conservation_table(result: Result) -> Table:
    table = _table("tỉnh · province", "loại · kind", *BALANCED, words=2)
    for province, kinds in result["received"].items():
        for kind in kinds:
            table.add_row(_name(province), kind, *(f"{result[name][province][kind]:,}" for name in BALANCED))
    return table


def _people_table(result: Result) -> Table:
    table = _table("đơn vị · unit", "", "from", *ACCOUNTED, words=2)
    for what in ("people", "households"):
        for province, total in result["balance"][what].items():
            from_to = f"{total['former_units']} → {total['units']}"
            table.add_row(f"[bold]{_name(province)}[/bold]", what, from_to, *(f"{total[name]:,}" for name in ACCOUNTED))
            for row in _largest(result["units"][what], province):
                unit = units.unit(row["unit_code"], date.fromisoformat(result["told_on"]))
                name = unit.name if unit else row["unit_code"]
                table.add_row(f"  {name}", what, str(row["former_units"]), *(f"{row[name]:,}" for name in ACCOUNTED))
    return table


def _largest(rows: Sequence[Mapping[str, Any]], province: str) -> list[Mapping[str, Any]]:
    ours = [row for row in rows if row["province_code"] == province and row["unit_code"] is not None]
    return sorted(ours, key=lambda row: (-row["former_units"], row["unit_code"]))[:SHOWN_UNITS]


def _cases_table(result: Result) -> Table:
    table = _table("việc · case", "open", words=1)
    for kind, number in result["cases"].items():
        table.add_row(kind, f"{number:,}")
    return table


def _waiting_title(result: Result) -> str:
    later = _count(result["stuck_if_untouched"]["updates"])
    return (
        f"Đang chờ · waiting; quá hạn · stuck: {_count(result['stuck'])}, in {UNTOUCHED_DAYS} days untouched: {later:,}"
    )


def _waiting_table(result: Result) -> Table:
    table = _table("trạng thái · state", "của ai · owner", "hạn · deadline", "updates", words=3)
    for state, owners in result["waiting"].items():
        for owner, (updates, deadline) in _of_provinces(owners).items():
            table.add_row(state, owner, deadline[:10], f"{updates:,}")
    return table


def _count(states: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> int:
    return sum(row["updates"] for owners in states.values() for row in owners.values())


def _figures(result: Result) -> list[str]:
    feed_figures, linkage = result["feed"], result["linkage"]
    runs = Counter(run["id"].split()[0] for run in result["dag_runs"])
    applied = f"{feed_figures['applied']:,} applied, {feed_figures['refused']:,} refused by the registries"
    return [
        f"cân đối · balance {'khép · closed' if result['balance']['closed'] else '[red]HỞ · OPEN[/red]'}",
        f"đơn vị · units: {result['units']['recoded']:,} recoded, {result['units'].get('ambiguous', 0):,} ambiguous",
        f"liên kết · links {result['links']:,}: precision {linkage['precision']:.4f}, recall {linkage['recall']:.4f}",
        f"feed: {feed_figures['published']:,} published, {applied}",
        f"Airflow: {', '.join(f'{dag} ×{number}' for dag, number in runs.items())}",
        f"giây · seconds: {', '.join(f'{name} {seconds}' for name, seconds in result['seconds'].items())}",
    ]


def _places(house: House) -> list[tuple[str, str]]:
    """What runs, and where; below it who may sign in there."""
    return [
        ("console", house.console.address),
        *(("", f"{name} / {password}") for name, password in house.console.logins),
        ("Airflow", house.airflow.address),
        ("", f"{house.airflow.user} / {house.airflow.password}"),
        ("gateway", house.gateway),
        ("metrics", f"http://{house.metrics}/metrics"),
        ("PostgreSQL", house.database_url),
        ("certificates", str(house.authority.folder)),
        ("snapshots", str(house.snapshots)),
        ("traces", f"{house.folder}/*traces.jsonl"),
    ]
