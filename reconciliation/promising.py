"""A promised precision and a sample of labelled pairs ──► the thresholds of a model, with what is known of them.

`upper` is the lowest weight from which upwards the lower end of the interval still keeps the promise; never a rule of
thumb. The sample is what stewards judged, or the pairs of which both sides state a number. Links that rest on a number
have its word; links without one are taken to be as right as labelled pairs are whose number is covered up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

_LEAST_UPPER = 4.0  # no link is made on odds below sixteen to one, whatever a sample says of all links together
_LEAST_LOWER = -6.0


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What automatic links and the queue may cost."""

    precision: float = 0.999  # of the automatic links
    confidence: float = 0.95  # one-sided, that the precision is no lower
    kept_precision: float = 0.98  # of links that stand and are not parted
    cases_per_1000: float = 4.9  # records


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Pairs by weight: `matches` of `pairs` pairs are one person; both may be fractions of expectation."""

    weight: _Floats
    matches: _Floats
    pairs: _Floats


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """All pairs of a pool by the weight that decides of them; every count may be a fraction of expectation.

    Of the `pairs` that no veto forbids `unlabelled` have no label, and of the others `wrong` are two persons; `vetoed`
    are cases from `lower` upwards, whatever they weigh.
    """

    weight: _Floats
    pairs: _Floats
    unlabelled: _Floats
    wrong: _Floats
    vetoed: _Floats

    def from_weight(self, counts: _Floats, weights: _Floats) -> _Floats:
        """The sum of `counts` from each of the `weights` upwards."""
        order = np.argsort(self.weight, kind="stable")
        sums = np.append(np.cumsum(counts[order][::-1])[::-1], 0.0)
        return sums[np.searchsorted(self.weight[order], weights, side="left")]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """From `upper` a pair is linked, from `keep` a link stays, from `lower` a pair is a case."""

    upper: float
    keep: float
    lower: float
    interval: tuple[float, float]  # of the precision of the sample from `upper` upwards
    sampled: int  # pairs of the sample from `upper` upwards


def interval(matches: float, pairs: float, *, confidence: float) -> tuple[float, float]:
    """Wilson's interval for the share `matches` / `pairs`, each end one-sided at `confidence`; (0, 1) of nothing."""
    if pairs <= 0:
        return 0.0, 1.0
    low, high = _wilson(np.array([matches]), np.array([pairs]), confidence)
    return float(low[0]), float(high[0])


def thresholds(sample: Sample, outlook: Outlook, *, promise: Promise, records: int) -> Thresholds:
    """Thresholds by the labelled `sample`, weighed without its label, and by what a pool of `records` will give."""
    upper = _lowest(sample, outlook, promise.precision, promise.confidence)
    keep = _lowest(sample, outlook, promise.kept_precision, promise.confidence)
    upper = round(max(_LEAST_UPPER, upper), 2)
    keep = round(min(upper, max(0.0, keep)), 2)
    lower = round(min(upper, _queue_from(outlook, upper, promise.cases_per_1000 * records / 1000)), 2)
    keep = max(keep, lower)
    held = sample.weight >= upper
    ends = interval(float(sample.matches[held].sum()), float(sample.pairs[held].sum()), confidence=promise.confidence)
    return Thresholds(
        upper=upper,
        keep=keep,
        lower=lower,
        interval=(round(ends[0], 5), round(ends[1], 5)),
        sampled=round(float(sample.pairs[held].sum())),
    )


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Pairs from `weight` upwards to the next stratum: `pairs` of them there are, `matches` of the `judged` are one."""

    weight: float
    pairs: int
    judged: int
    matches: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a clerical sample says of links from `upper` upwards.

    `is_kept`: the lower end of the interval keeps the promise. Where none does `upper` is the one given, and at least
    `needed` more pairs have to be judged, if all of them turn out right.
    """

    upper: float
    interval: tuple[float, float]
    precision: float | None  # None: a stratum has no judged pair
    judged: int
    is_kept: bool
    needed: int


def judged_threshold(strata: Sequence[Stratum], *, promise: Promise, upper: float) -> Judged:
    """The lowest weight of a stratum from which upwards the promise is kept, by what stewards said of a sample.

    `upper` is the threshold in use, for when none is. A stratum weighs by its pairs, however many of it were drawn.
    """
    by_weight = sorted(strata, key=lambda one: one.weight)
    for place, first in enumerate(by_weight):
        found = _judged(by_weight[place:], promise, first.weight)
        if found.is_kept and first.weight >= _LEAST_UPPER:
            return found
    return _judged([one for one in by_weight if one.weight >= upper], promise, upper)


def _judged(strata: Sequence[Stratum], promise: Promise, upper: float) -> Judged:
    """Wilson's interval for the share in all strata, of as many pairs as a plain sample would need to say as much."""
    pairs, judged = sum(one.pairs for one in strata), sum(one.judged for one in strata)
    z = NormalDist().inv_cdf(promise.confidence)
    wanted = math.ceil(z * z * promise.precision / (1 - promise.precision))
    if not pairs or any(not one.judged for one in strata):
        return Judged(
            upper=upper,
            interval=(0.0, 1.0),
            precision=None,
            judged=judged,
            is_kept=False,
            needed=max(1, wanted - judged),
        )
    precision = sum(one.pairs / pairs * one.matches / one.judged for one in strata)
    as_plain = 1 / sum((one.pairs / pairs) ** 2 / one.judged for one in strata)
    ends = interval(precision * as_plain, as_plain, confidence=promise.confidence)
    is_kept = ends[0] >= promise.precision
    return Judged(
        upper=upper,
        interval=ends,
        precision=precision,
        judged=judged,
        is_kept=is_kept,
        needed=0 if is_kept else max(1, wanted - judged),
    )


def _lowest(sample: Sample, outlook: Outlook, precision: float, confidence: float) -> float:
    """The lowest weight from which upwards the lower end of the links' interval is at least `precision`.

    Where the sample is too small to say so of any weight, the weight itself says it: it is log2 of the odds.
    """
    order = np.argsort(-sample.weight, kind="stable")
    weights = sample.weight[order]
    matches, pairs = np.cumsum(sample.matches[order]), np.cumsum(sample.pairs[order])
    low, _ = _wilson(matches, np.maximum(pairs, 1e-9), confidence)
    links, unlabelled, wrong = (
        outlook.from_weight(counts, weights) for counts in (outlook.pairs, outlook.unlabelled, outlook.wrong)
    )
    wrong = wrong + unlabelled * (1 - low)
    kept = np.flatnonzero((links > 0) & (wrong <= (1 - precision) * links))
    return float(weights[kept[-1]]) if len(kept) else float(np.log2(precision / (1 - precision)))


def _queue_from(outlook: Outlook, upper: float, budget: float) -> float:
    """The lowest weight from which upwards no more cases than `budget` lie: vetoed pairs, and others below `upper`."""
    asked = outlook.vetoed + np.where(outlook.weight < upper, outlook.pairs, 0.0)
    order = np.argsort(-outlook.weight, kind="stable")
    weight, cases = outlook.weight[order], np.cumsum(asked[order])
    fits = np.flatnonzero(cases <= budget)
    return max(_LEAST_LOWER, float(weight[fits[-1]])) if len(fits) else upper


def _wilson(matches: _Floats, pairs: _Floats, confidence: float) -> tuple[_Floats, _Floats]:
    z = NormalDist().inv_cdf(confidence)
    share = np.clip(matches / pairs, 0.0, 1.0)
    middle = (share + z * z / (2 * pairs)) / (1 + z * z / pairs)
    half = z * np.sqrt(share * (1 - share) / pairs + z * z / (4 * pairs * pairs)) / (1 + z * z / pairs)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
