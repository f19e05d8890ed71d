"""`make nemesis`: run the plans of many seeds and name each seed whose history breaks a promise."""

import argparse
import sys
import time
from pathlib import Path

from tests.nemesis import final, history
from tests.nemesis.run import Outcome, run_seed
from tests.nemesis.sabotage import SABOTAGES
from tests.nemesis.world import world


def main() -> int:
    """1 when any seed broke a promise."""
    options = argparse.ArgumentParser(prog="make nemesis", description=__doc__)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--first-seed", type=int, default=1)
    options.add_argument("--keep", type=Path, help="keep every history and final state here, not the broken ones only")
    options.add_argument("--sabotage", choices=sorted(SABOTAGES), help="break a promise on purpose")
    chosen = options.parse_args()
    broken: list[int] = []
    begun = time.monotonic()
    with world(sabotage=chosen.sabotage) as place:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            started = time.monotonic()
            outcomes = run_seed(place, seed)
            told = {f"{name}: {wrong}": None for outcome in outcomes for name, wrong in outcome.violations}
            took = time.monotonic() - started
            say(f"seed {seed}: {'BROKEN' if told else 'ok'}  {took:.1f} s  {summary(outcomes)}")
            for line in told:
                say(f"  {line}")
            if told or chosen.keep:
                keep(chosen.keep or Path(".lienthong/nemesis"), outcomes)
            if told:
                again = f"--first-seed {seed} --seeds 1 --keep DIR"
                again += f" --sabotage {chosen.sabotage}" if chosen.sabotage else ""
                say(f'  again: make nemesis ARGS="{again}"')
                broken.append(seed)
    per_seed = (time.monotonic() - begun) / chosen.seeds
    say(f"{chosen.seeds} seeds, {per_seed:.1f} s each, broken: {' '.join(map(str, broken)) or 'none'}")
    return 1 if broken else 0


def say(line: str) -> None:
    """Tell a person."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(outcomes: list[Outcome]) -> str:
    """What was done to whom, and what came of it, on one line."""
    strikes = [str(one.fault.strike) for one in outcomes[0].plan.rounds]
    counts = dict.fromkeys(history.Kind, 0)
    for event in outcomes[0].history:
        if event.op == "push":
            counts[event.type] += 1
    told = " ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"[{', '.join(strikes)}] {told}, {len(outcomes[0].final.landings)} landed"


def keep(folder: Path, outcomes: list[Outcome]) -> None:
    """Write the histories and the final states."""
    for number, outcome in enumerate(outcomes, start=1):
        name = f"seed-{outcome.plan.seed}" + (f"-{number}" if len(outcomes) > 1 else "")
        history.write(folder / f"{name}.jsonl", outcome.history)
        final.write(folder / f"{name}.final.json", outcome.final)


if __name__ == "__main__":
    sys.exit(main())
