"""Console: how long a steward waits for the next case and for a list, with the desk full and years of decided cases.

Server time of the functions that the console and StewardshipService call, several stewards at once: some of all
provinces, some of one, some of one kind; lists from their beginning and from deep inside.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from reconciliation import review, reviewing
from reconciliation.desk import UNDO, Filter, Place, Steward
from reconciliation.model import CaseKind, Decision
from reconciliation.store import embedded
from reconciliation.store.engine import Engine, migrate
from reconciliation.store.engine import connect as connect_store

NOW = datetime(2025, 9, 3, 3, 0, tzinfo=UTC)
PROVINCES = (*(f"{number:02d}" for number in range(1, 97, 3)), "15", "24")
_KINDS = tuple(str(kind) for kind in CaseKind)
_CASES = """
INSERT INTO "case" (fingerprint, kind, province_code, owner, opened_at, deadline, obsolete_since, record_keys, evidence)
SELECT md5(n::text) || md5(n::text), (CAST(:kinds AS text[]))[1 + n % :kind_count],
    (CAST(:provinces AS text[]))[1 + abs(hashint8(n)::bigint) % :province_count], '15/steward', :now,
    :now + make_interval(hours => (n * 104729 % 240)::int - 48), CASE WHEN n > :open THEN CAST(:now AS timestamptz) END,
    ARRAY['yen-bai.population|' || 2 * n, 'yen-bai.population|' || 2 * n + 1],
    jsonb_build_object('weight', n % 400 / 100.0, 'reason', 'below_threshold', 'sides', jsonb_build_array(0, 1))
FROM generate_series(CAST(1 AS bigint), :all) AS n
"""
_HEADS = """
INSERT INTO record_head (source_id, source_record_id, record_id, source_version, kind, province_code)
SELECT 'yen-bai.population', n::text, n, 1, 'person', '15' FROM generate_series(2, 2 * :open + 1) AS n
"""
_JUDGEMENTS = """
INSERT INTO judgement (fingerprint, decision, reason, reason_code, steward, judged_at)
SELECT fingerprint, 'keep', '', 'both_right', 's' || case_id % 200, :now FROM "case"
WHERE obsolete_since IS NOT NULL OR case_id % 10 = 0 AND kind = 'refused_by_registry'
"""
# A refusal whose case was decided stays raised for ever.
_DECIDED = """
UPDATE "case" SET judged_by = judgement_id FROM judgement WHERE judgement.fingerprint = "case".fingerprint
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `console`."""
    options = commands.add_parser("console", help="next case, list and decision with a full desk")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--open", type=int, default=100_000)
    options.add_argument("--decided", type=int, default=200_000)
    options.add_argument("--calls", type=int, default=300)
    options.add_argument("--stewards", type=int, default=2, help="at once")


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    figures: dict[str, object] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "open": chosen.open,
        "decided": chosen.decided,
        "stewards": chosen.stewards,
    }
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        Path(folder).chmod(0o711)
        with embedded.running(Path(folder) / "postgres") as server:
            url = server.create_database("console")
            fill(url, open_cases=chosen.open, decided=chosen.decided)
            engine = connect_store(url)
            figures |= measure(engine, calls=chosen.calls, stewards=chosen.stewards, seed=chosen.seed)
            engine.dispose()
    for name, value in figures.items():
        print(f"{name:<28}{value}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"console": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


def fill(url: str, *, open_cases: int, decided: int) -> None:
    """A desk with so many open cases of every kind and province, beside so many that were decided."""
    migrate(url)
    engine = connect_store(url, pool_size=1, statement_seconds=3_600)
    said = {
        "now": NOW,
        "open": open_cases,
        "all": open_cases + decided,
        "kinds": list(_KINDS),
        "kind_count": len(_KINDS),
        "provinces": list(PROVINCES),
        "province_count": len(PROVINCES),
    }
    with engine.begin() as connection:
        for statement in (_CASES, _HEADS, _JUDGEMENTS, _DECIDED):
            connection.execute(sa.text(statement), said)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()


def measure(engine: Engine, *, calls: int, stewards: int, seed: int) -> dict[str, object]:
    """The figures of `console`, each of so many calls by so many stewards at once."""
    dice = random.Random(seed)
    places = [Place(risk=dice.randrange(3), deadline=NOW, case_id=dice.randrange(100_000)) for _ in range(calls)]

    def next_one(number: int) -> None:
        assert reviewing.next_case(engine, _steward(number), _filter(number), now=NOW) is not None

    def list_some(number: int) -> None:
        after = None if number % 2 else places[number]
        steward, chosen = _steward(number), _filter(number)
        reviewing.list_cases(engine, steward, chosen, after=after, limit=50, now=NOW)
        reviewing.count_kinds(engine, [steward], replace(chosen, kind=None), now=NOW)

    def decide(number: int) -> None:
        held = reviewing.next_case(engine, _steward(number), Filter(kind=CaseKind.DOUBTFUL_MATCH), now=NOW)
        assert held is not None
        began = time.perf_counter()
        review.judge(
            engine, held.case.case_id, decision=Decision.NOT_SAME, reason_code="twins", steward=held.lease.steward,
            lease_token=held.lease.token, version=held.version, undo=UNDO, now=NOW,
        )  # fmt: skip
        deciding.append(time.perf_counter() - began)

    deciding: list[float] = []
    listing = _timed(list_some, calls, stewards)
    claiming = _timed(next_one, calls, stewards)
    _timed(decide, calls // 4, stewards)
    works = {"next": claiming, "list": listing, "decide": deciding}
    return {
        f"{name}_{label}_ms": round(1000 * taken, 1)
        for name, seconds in works.items()
        for label, taken in (("p50", statistics.median(seconds)), ("p95", statistics.quantiles(seconds, n=100)[94]))
    }


def _timed(work: Callable[[int], None], calls: int, at_once: int) -> list[float]:
    def timed(number: int) -> float:
        began = time.perf_counter()
        work(number)
        return time.perf_counter() - began

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(timed, range(at_once)))  # connections, plans
        return list(pool.map(timed, range(calls)))


def _steward(number: int) -> Steward:
    """A third of the stewards sees the country, a third one province, a third some provinces and kinds."""
    name = f"s{number % 40}"
    match number % 3:
        case 0:
            return Steward(name=name)
        case 1:
            return Steward(name=name, province_codes=(PROVINCES[number % len(PROVINCES)],))
        case _:
            return Steward(name=name, province_codes=PROVINCES[:5], kinds=tuple(CaseKind)[::2])


def _filter(number: int) -> Filter:
    return Filter(kind=CaseKind.DOUBTFUL_MATCH) if number % 7 == 0 and number % 3 != 2 else Filter()
