"""A promised precision and a sample of labelled pairs ──► the thresholds of a model, with what is known of them.

`upper` is the lowest weight from which upwards the lower end of the interval still keeps the promise; never a rule of
thumb. The sample is what stewards judged, or the pairs of which both sides state a number.
"""

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

    precision: float = 0.998  # of the automatic links
    confidence: float = 0.95  # one-sided, that the precision is no lower
    kept_precision: float = 0.98  # of links that stand and are not parted
    cases_per_1000: float = 4.0  # records


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Pairs by weight: `matches` of `pairs` pairs are one person; both may be fractions of expectation."""

    weight: _Floats
    matches: _Floats
    pairs: _Floats


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """From `upper` a pair is linked, from `keep` a link stays, from `lower` a pair is a case."""

    upper: float
    keep: float
    lower: float
    interval: tuple[float, float]  # of the precision from `upper` upwards
    sampled: int  # pairs of the sample from `upper` upwards


def interval(matches: float, pairs: float, *, confidence: float) -> tuple[float, float]:
    """Wilson's interval for the share `matches` / `pairs`, each end one-sided at `confidence`; (0, 1) of nothing."""
    if pairs <= 0:
        return 0.0, 1.0
    low, high = _wilson(np.array([matches]), np.array([pairs]), confidence)
    return float(low[0]), float(high[0])


def thresholds(sample: Sample, pool: Sample, *, promise: Promise, records: int) -> Thresholds:
    """Thresholds by the labelled `sample`, and by how many pairs of the whole `pool` would be cases."""
    upper = _lowest(sample, promise.precision, promise.confidence)
    keep = _lowest(sample, promise.kept_precision, promise.confidence)
    upper = round(max(_LEAST_UPPER, upper), 2)
    keep = round(min(upper, max(0.0, keep)), 2)
    lower = round(min(upper, _queue_from(pool, upper, promise.cases_per_1000 * records / 1000)), 2)
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


def _lowest(sample: Sample, precision: float, confidence: float) -> float:
    """The lowest weight from which upwards the lower end of the interval is at least `precision`.

    Where the sample is too small to say so of any weight, the weight itself says it: it is log2 of the odds.
    """
    order = np.argsort(-sample.weight, kind="stable")
    matches, pairs = np.cumsum(sample.matches[order]), np.cumsum(sample.pairs[order])
    low, _ = _wilson(matches, np.maximum(pairs, 1e-9), confidence)
    kept = np.flatnonzero(low >= precision)
    return float(sample.weight[order][kept[-1]]) if len(kept) else float(np.log2(precision / (1 - precision)))


def _queue_from(pool: Sample, upper: float, budget: float) -> float:
    """The lowest weight from which upwards, below `upper`, no more pairs than `budget` lie."""
    below = pool.weight < upper
    order = np.argsort(-pool.weight[below], kind="stable")
    weight, pairs = pool.weight[below][order], np.cumsum(pool.pairs[below][order])
    fits = np.flatnonzero(pairs <= budget)
    return max(_LEAST_LOWER, float(weight[fits[-1]])) if len(fits) else upper


def _wilson(matches: _Floats, pairs: _Floats, confidence: float) -> tuple[_Floats, _Floats]:
    z = NormalDist().inv_cdf(confidence)
    share = np.clip(matches / pairs, 0.0, 1.0)
    middle = (share + z * z / (2 * pairs)) / (1 + z * z / pairs)
    half = z * np.sqrt(share * (1 - share) / pairs + z * z / (4 * pairs * pairs)) / (1 + z * z / pairs)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
