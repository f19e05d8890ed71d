"""The model file: what each level of each comparison weighs, how that was taught, and the thresholds.

Weights are log2 and additive (Fellegi–Sunter). A file is read once, checked against the declared comparisons,
and never changed: teaching again writes another file.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from reconciliation.errors import ReconciliationError
from reconciliation.linkage import Linkage
from reconciliation.persons import PERSONS
from reconciliation.promising import interval

FORMAT = 2
SHIPPED = "persons.json"


class FatalModelError(ReconciliationError):
    """The model file is not one this release can use: teach again, or name another file."""


@dataclass(frozen=True, kw_only=True)
class LevelWeight:
    """One level: its share among matches (m) and among non-matches (u) of the pairs taught by, and its weight."""

    level: str
    m: float | None  # None where the weight is fixed by declaration
    u: float | None
    weight: float


@dataclass(frozen=True, kw_only=True)
class ComparisonWeights:
    """The levels of one comparison, in the declared order."""

    comparison: str
    levels: tuple[LevelWeight, ...]


@dataclass(frozen=True, kw_only=True)
class Mates:
    """Of the records of a pool that state a number which holds, how many state one that another record states too."""

    stating: int
    mated: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the weights came to be."""

    method: str
    records: int
    pairs_equal: int  # candidate pairs with equal personal numbers
    pairs_unequal: int
    number_error: float  # estimated share of matches whose numbers differ
    seed: int
    promised_precision: float  # of automatic links
    confidence: float  # one-sided, that it is no lower
    interval: tuple[float, float]  # of the precision of labelled pairs from `upper` upwards
    sampled: int  # of those pairs
    mates: Mates | None = None  # of the pool that the thresholds are from; None where they hold whatever the pool


@dataclass(frozen=True, kw_only=True)
class Model:
    """Weights and thresholds. A pair's weight is `base` plus one weight per comparison that can be made."""

    name: str
    linkage: str  # the name of the declaration it weighs
    base: float
    upper: float  # from here a pair is linked
    keep: float  # from here a pair that was linked stays linked
    lower: float  # from here, below `upper`, it is a case
    comparisons: tuple[ComparisonWeights, ...]
    training: Training
    format: int = FORMAT

    @property
    def fingerprint(self) -> str:
        """Changes with whatever the model says."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def load_model(path: Path | None = None, *, linkage: Linkage = PERSONS) -> Model:
    """Read a model file, or the shipped one; raises FatalModelError when it does not fit the declared comparisons."""
    place = resources.files("reconciliation") / "models" / SHIPPED if path is None else path
    try:
        stated = json.loads(place.read_text(encoding="utf-8"))
        model = Model(
            name=stated["name"],
            linkage=stated["linkage"],
            base=float(stated["base"]),
            upper=float(stated["upper"]),
            keep=float(stated["keep"]),
            lower=float(stated["lower"]),
            comparisons=tuple(
                ComparisonWeights(
                    comparison=comparison["comparison"],
                    levels=tuple(LevelWeight(**level) for level in comparison["levels"]),
                )
                for comparison in stated["comparisons"]
            ),
            training=_training(stated["training"]),
            format=stated["format"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"model file {place.name}: {type(error).__name__}. Next: teach again, or name another file."
        raise FatalModelError(message) from error
    check_model(model, place.name, linkage=linkage)
    return model


def _training(stated: dict[str, Any]) -> Training:
    mates = stated.get("mates")
    return Training(**stated | {"interval": tuple(stated["interval"]), "mates": mates and Mates(**mates)})


def placed(model: Model, here: Mates) -> Model:
    """The model in a pool with so many mates.

    Two records that look alike are the less likely one person, the fewer of a pool's records have a mate at all: a list
    that has arrived in part holds as many namesakes, and hardly anybody twice. Where a pool certainly has fewer mates
    than the one the thresholds are from, `upper` rises by the log2 of how many times fewer.
    """
    taught = model.training.mates
    if taught is None or not taught.mated:
        return model
    _, most = interval(here.mated, here.stating, confidence=model.training.confidence)
    fewer = math.log2(taught.mated / taught.stating / most)
    return replace(model, upper=round(model.upper + fewer, 3)) if fewer > 0 else model


def model_of(province_code: str, folder: Path | None) -> Model:
    """The model that a province is linked by: `folder`/CODE.json, which retraining writes, or else the shipped one.

    Raises FatalModelError when the file cannot be used.
    """
    own = None if folder is None else folder / f"{province_code}.json"
    return load_model(own if own is not None and own.exists() else None)


def save_model(model: Model, path: Path) -> None:
    """Write the model as JSON; the same model gives the same bytes."""
    path.write_text(json.dumps(asdict(model), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def check_model(model: Model, place: str, *, linkage: Linkage = PERSONS) -> None:
    """Raise FatalModelError unless the model weighs what the linkage declares; `place` names it in the message."""
    if model.format != FORMAT:
        message = f"model file {place}: format {model.format}, this release reads {FORMAT}. Next: teach again."
        raise FatalModelError(message)
    declared = [(comparison.name, [level.name for level in comparison.levels]) for comparison in linkage.comparisons]
    held = [(weights.comparison, [level.level for level in weights.levels]) for weights in model.comparisons]
    for expected, found in zip(declared, held, strict=False):
        if expected != found:
            message = f"model file {place}: comparison {expected[0]} differs from its declaration. Next: teach again."
            raise FatalModelError(message)
    if len(declared) != len(held) or not model.lower <= model.keep <= model.upper:
        message = f"model file {place}: comparisons missing or thresholds out of order. Next: teach again."
        raise FatalModelError(message)
