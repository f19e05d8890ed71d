"""Linkage: who is the same, ours beside two peers on the same made-up merger, in the same run, on the same machine.

Every contestant runs in a process of its own, on records drawn once (adapters.simulator.merging); the truth is read
here alone. True pairs that blocking missed count as missed. Times are from records in memory to pairs with weights.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from adapters.simulator.merging import MergerRates, merge
from reconciliation.deciding import link, link_pool
from reconciliation.explaining import explain
from reconciliation.pooling import pooled
from reconciliation.scoring import evaluate
from reconciliation.teaching import teach_pool
from reconciliation.weights import load_model
from tests.benchmarks import febrl, linkage_standing
from tests.benchmarks.curve import Curve, Truth, curve

_PEERS = "tests.benchmarks.peers"
_FACTORS_AT = 200_000  # records at which the other rates of faults are measured
_EXPLAINED = 40


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of `linkage`."""
    options = commands.add_parser("linkage", help="ours against two peers")
    options.add_argument("--json", type=Path, help="write the figures here as well")
    options.add_argument("--records", type=int, default=200_000)
    options.add_argument("--factors", type=float, nargs="*", default=[0.5, 2.0], help="of the rates of faults")
    options.add_argument("--province", default="25")


def main(chosen: argparse.Namespace) -> int:
    """Measure, print, and write the figures."""
    with tempfile.TemporaryDirectory(prefix="lienthong-linkage-") as folder:
        figures = measure(Path(folder), records=chosen.records, seed=chosen.seed, province=chosen.province)
        for factor in chosen.factors:
            figures[f"faults_x{factor:g}"] = at_other_rates(
                Path(folder), min(chosen.records, _FACTORS_AT), chosen.seed, factor, province=chosen.province
            )
    for number in (3, 4):
        figures[f"febrl{number}_f1"] = round(febrl_f1(number), 5)
        print(f"FEBRL {number}: best F1 {figures[f'febrl{number}_f1']}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"linkage": figures}, indent=2) + "\n", encoding="utf-8")
    return 0


@dataclass(frozen=True)
class _Drawn:
    """Where the records of a run lie, and their truth."""

    records: Path
    truth: Truth
    rows: int


def measure(folder: Path, *, records: int, seed: int, province: str) -> dict[str, Any]:
    """Everyone on the same records, in turn."""
    drawn = _draw(folder / "main", records, seed, MergerRates(), province)
    print(f"{drawn.rows:,} records, {drawn.truth.pairs:,} true pairs", flush=True)
    ours = _run("ours", drawn, folder)
    expert = _run("splink_expert", drawn, folder)
    saved = _run("ours", drawn, folder, is_saved=True)
    expert_saved = _run("splink_expert", drawn, folder, is_saved=True)
    stock = _run("splink_stock", drawn, folder)
    found = pq.read_table(_pairs_of(folder, "ours").with_suffix(".found.parquet"))
    curves = {name: _curve(folder, name, drawn) for name in ("ours", "splink_expert", "splink_stock")}
    for name, one in curves.items():
        print(f"{name}: best F1 {one.best_f1:.4f}, {one.errors:,} errors, recall at 0.998 {one.recall_at_p998:.4f}")
    figures: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "seed": seed,
        "records": drawn.rows,
        "true_pairs": drawn.truth.pairs,
        **_automatic(folder, drawn),
        "best_f1": round(curves["ours"].best_f1, 4),
        "recall_at_p998": round(curves["ours"].recall_at_p998, 4),
        "blocking_recall": round(drawn.truth.found(found) / drawn.truth.pairs, 4),
        "pairs": ours["pairs"],
        "pairs_ratio_to_expert": 1.0,  # the expert has our blocking
        "pairs_ratio_to_stock": round(ours["pairs"] / stock["pairs"], 3),
        "error_ratio_to_expert": round(curves["ours"].errors / curves["splink_expert"].errors, 3),
        "time_ratio_to_expert": round(ours["total_s"] / expert["total_s"], 3),
        "time_ratio_to_saved_model": round(saved["total_s"] / expert_saved["total_s"], 3),
        "cpu_ratio_to_expert": round(ours["cpu_s"] / expert["cpu_s"], 3),
        "cpu_ratio_to_saved_model": round(saved["cpu_s"] / expert_saved["cpu_s"], 3),
        "peak_mb": ours["peak_mb"],
        "ours": ours,
        "ours_saved": saved,
        "expert": expert | curves["splink_expert"].figures(),
        "expert_saved": expert_saved,
        "stock": stock | curves["splink_stock"].figures(),
    }
    figures["stock"]["blocking_recall"] = round(curves["splink_stock"].found / drawn.truth.pairs, 4)
    figures |= {"explain_ms": round(explain_ms(drawn, folder), 2)}
    figures |= linkage_standing.measure(
        pq.read_table(drawn.records), load_model(folder / "ours.json"), folder, seed=seed
    )
    return figures


def at_other_rates(folder: Path, records: int, seed: int, factor: float, *, province: str) -> dict[str, Any]:
    """Ours and the expert's where faults are so many times as frequent."""
    place = folder / f"x{factor:g}"
    place.mkdir()
    drawn = _draw(place / "records", records, seed + 1, MergerRates().scaled(factor), province)
    _run("ours", drawn, place)
    _run("splink_expert", drawn, place)
    ours, expert = (_curve(place, name, drawn) for name in ("ours", "splink_expert"))
    figures = {
        "records": drawn.rows,
        **_automatic(place, drawn),
        **ours.figures(),
        "expert": expert.figures(),
        "error_ratio_to_expert": round(ours.errors / expert.errors, 3),
    }
    print(f"faults x {factor:g}: best F1 {ours.best_f1:.4f} beside {expert.best_f1:.4f}, auto {figures['auto']}")
    return figures


def _draw(place: Path, records: int, seed: int, rates: MergerRates, province: str) -> _Drawn:
    """Draw the records; the process stays small because each contestant reads them from the file."""
    began = time.perf_counter()
    merger = merge(seed, records, province=province, rates=rates)
    path = place.with_suffix(".parquet")
    pq.write_table(merger.records, path)
    print(f"drawn in {time.perf_counter() - began:.1f} s", flush=True)
    return _Drawn(path, Truth(merger.truth), merger.records.num_rows)


def _run(name: str, drawn: _Drawn, folder: Path, *, is_saved: bool = False) -> dict[str, Any]:
    pairs = _pairs_of(folder, name)
    command = [
        *(sys.executable, "-m", f"{_PEERS}.{name}", "--records", str(drawn.records)),
        *("--pairs", str(pairs.with_suffix(".saved") if is_saved else pairs), "--model", str(folder / f"{name}.json")),
        *(["--saved"] if is_saved else []),
    ]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}; what it said stands above")
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{name}{' with its saved model' if is_saved else ''}: {figures}", flush=True)
    return figures


def _pairs_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _curve(folder: Path, name: str, drawn: _Drawn) -> Curve:
    return curve(pq.read_table(_pairs_of(folder, name)), drawn.truth)


def _automatic(folder: Path, drawn: _Drawn) -> dict[str, Any]:
    """What is done without anybody: subjects, and the queue that is left."""
    path = _pairs_of(folder, "ours")
    subjects = pq.read_table(path.with_suffix(".subjects.parquet"))
    cases = pq.read_table(path.with_suffix(".cases.parquet"))
    score = evaluate(subjects, drawn.truth.table)
    reached = score.right + drawn.truth.found(cases)
    figures = {
        "auto": {"precision": round(score.precision, 5), "recall": round(score.recall, 4)},
        "with_queue": {
            "recall": round(min(1.0, reached / drawn.truth.pairs), 4),
            "cases_per_1000": round(1000 * cases.num_rows / drawn.rows, 2),
        },
        "twin_merges": drawn.truth.twins_merged(subjects),
    }
    print(f"automatic: {figures}", flush=True)
    return figures


def explain_ms(drawn: _Drawn, folder: Path) -> float:
    """Median milliseconds of a decision's two sentences, once the pair is weighed."""
    records, model = pq.read_table(drawn.records).slice(0, 20_000), load_model(folder / "ours.json")
    decisions = link(records, model=model).decisions.slice(0, _EXPLAINED).to_pylist()
    taken = []
    for decision in decisions:
        began = time.perf_counter()
        explain(decision, model=model)
        taken.append(time.perf_counter() - began)
    return 1000 * sorted(taken)[len(taken) // 2]


def febrl_f1(number: int) -> float:
    """Best F1 of a model taught on the data set itself, without its truth."""
    records, truth = febrl.load(number)
    with pooled(records, linkage=febrl.FEBRL) as pool:
        model = teach_pool(pool, seed=1)
        decisions = link_pool(pool, model=replace(model, lower=-30.0)).decisions
    delivery = truth.append_column("delivery", truth["person"])
    return curve(decisions.select(["left_key", "right_key", "weight"]), Truth(delivery)).best_f1
