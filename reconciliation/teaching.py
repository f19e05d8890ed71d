"""A pool of records ──► a model, taught by the pairs whose both sides state a personal number.

Equal numbers say "match" and unequal ones say "no match"; the number itself never takes part in what it teaches,
neither as a comparison nor as a blocking rule. Numbers are sometimes wrong, so an unequal number is believed only
as far as the rest of the pair allows; how often numbers err is estimated on the way. No truth is ever read.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.blocking import block, pairs_sql
from reconciliation.candidates import prepare
from reconciliation.comparing import COMPARISONS, PERSONAL_NUMBER, Comparison, compared_sql
from reconciliation.deciding import Effort, connect
from reconciliation.weights import ComparisonWeights, LevelWeight, Model, Training, load_model

_Floats = npt.NDArray[np.float64]

_METHOD = (
    "pairs labelled by personal numbers, number masked; logistic scorecard drawn towards log2(m/u), numbers may err"
)
# Fewer labelled pairs of either kind than this teach nothing that the shipped model does not know better.
_FEWEST_PAIRS = 1_000
_LARGEST_SAMPLE = 2_000_000
_ROUNDS = 12
# How firmly a level is drawn to its log2(m/u), in pairs; levels of many pairs follow the pairs.
_RIDGE = 1.0
_SMOOTHING = 0.5
_STEPS = 30
_LONGEST_STEP = 3.0
_LN2 = float(np.log(2.0))
_FIRST_ERROR = 0.03  # share of matches with unequal numbers, before any is estimated
_PROMISED_PRECISION = 0.998
_LEAST_UPPER = 2.0
_CASES_FROM = -1.0


_TAUGHT: tuple[Comparison, ...] = tuple(comparison for comparison in COMPARISONS if comparison is not PERSONAL_NUMBER)
_COLUMNS = tuple(
    (place, reached) for place, taught in enumerate(_TAUGHT) for reached in range(1, len(taught.levels) + 1)
)
_LEVELS = tuple(_TAUGHT[place].levels[reached - 1] for place, reached in _COLUMNS)


@dataclass(frozen=True, kw_only=True)
class _Patterns:
    """Distinct combinations of levels among the labelled pairs: `reached` is patterns × columns of 0 and 1."""

    reached: _Floats
    equal: _Floats
    unequal: _Floats


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Weights in log2; `matches` is the estimated number of matches among each pattern's pairs."""

    base: float
    weights: _Floats
    m: _Floats
    u: _Floats
    matches: _Floats


def teach(records: pa.Table, *, seed: int, name: str = "taught", effort: Effort | None = None) -> Model:
    """A model for this pool (candidates.RECORDS). With too few labelled pairs it is the shipped one.

    `seed` chooses the sample when there are more labelled pairs than teaching takes; it changes nothing else.
    """
    patterns = _observe(records, seed=seed, effort=effort or Effort())
    equal, unequal = int(patterns.equal.sum()), int(patterns.unequal.sum())
    if min(equal, unequal) < _FEWEST_PAIRS:
        return load_model()
    fit = _fit(patterns)
    upper, lower = _thresholds(patterns, fit)
    return Model(
        name=name,
        base=round(fit.base, 3),
        upper=upper,
        lower=lower,
        comparisons=tuple(_weights(comparison, fit) for comparison in COMPARISONS),
        training=Training(
            method=_METHOD,
            records=records.num_rows,
            pairs_equal=equal,
            pairs_unequal=unequal,
            number_error=round(float((fit.matches - patterns.equal).sum() / fit.matches.sum()), 4),
            seed=seed,
        ),
    )


def _observe(records: pa.Table, *, seed: int, effort: Effort) -> _Patterns:
    """Count equal and unequal numbers for every combination of levels, over the pairs found without the number."""
    equal = ", ".join(
        str(place) for place, level in enumerate(PERSONAL_NUMBER.levels, start=1) if level.name.startswith("equal")
    )
    names = ", ".join(comparison.name for comparison in _TAUGHT)
    connection = connect(effort)
    try:
        prepare(connection, records)
        blocks = block(connection)
        pairs = pc.sum(blocks["pairs"]).as_py()
        parts = 1 + pairs // effort.pairs_at_a_time
        share = min(1.0, _LARGEST_SAMPLE / max(pairs, 1))
        query = f"""
            select {names}, count(*) filter (personal_number in ({equal})) as equal,
                   count(*) filter (personal_number not in ({equal})) as unequal
            from ({compared_sql(pairs_sql(teaching=True))})
            where personal_number > 0 and hash(one, other, {seed}) % 1000000 < {share} * 1000000
            group by all
        """
        counted = [
            connection.sql(query, params={"parts": parts, "part": part}).to_arrow_table() for part in range(parts)
        ]
    finally:
        connection.close()
    columns = [comparison.name for comparison in _TAUGHT]
    table = pa.concat_tables(counted).group_by(columns).aggregate([("equal", "sum"), ("unequal", "sum")])
    table = table.sort_by([(column, "ascending") for column in columns])
    levels = [table[column].to_numpy() for column in columns]
    reached = np.stack([levels[place] == wanted for place, wanted in _COLUMNS], axis=1).astype(np.float64)
    return _Patterns(
        reached=reached,
        equal=table["equal_sum"].to_numpy().astype(np.float64),
        unequal=table["unequal_sum"].to_numpy().astype(np.float64),
    )


def _fit(patterns: _Patterns) -> _Fit:
    """Alternate between the weights and the belief in each unequal number, a fixed number of rounds."""
    stated = np.array([np.nan if level.weight is None else level.weight for level in _LEVELS]) * _LN2
    weights, base = np.where(np.isnan(stated), 0.0, stated), 0.0
    floors = np.array([level.floor for level in _LEVELS]) * _LN2
    ceilings = np.array([level.ceiling for level in _LEVELS]) * _LN2
    matches = patterns.equal.copy()
    m = u = weights
    for round_ in range(_ROUNDS):
        unmatched = patterns.equal + patterns.unequal - matches
        m, u = _shares(patterns, matches, unmatched)
        drawn_to = np.clip(np.log(m / u), floors, ceilings)
        if round_ == 0:
            weights, base = np.where(np.isnan(stated), drawn_to, stated), float(np.log(matches.sum() / unmatched.sum()))
        weights, base = _climb(patterns, matches, weights, base, drawn_to=drawn_to, free=np.isnan(stated))
        weights = np.where(np.isnan(stated), np.clip(weights, floors, ceilings), stated)
        odds = np.exp(np.clip(patterns.reached @ weights + base, -60, 60))
        error = max(1e-4, float((matches - patterns.equal).sum() / matches.sum())) if round_ else _FIRST_ERROR
        matches = patterns.equal + patterns.unequal * (error * odds / (error * odds + 1.0))
    return _Fit(base=base / _LN2, weights=_falling(patterns, weights / _LN2), m=m, u=u, matches=matches)


def _shares(patterns: _Patterns, matches: _Floats, unmatched: _Floats) -> tuple[_Floats, _Floats]:
    """m and u of every level within its comparison; a level never seen comes out as saying nothing."""
    total = matches.sum() + unmatched.sum()
    m = patterns.reached.T @ matches + _SMOOTHING * matches.sum() / total
    u = patterns.reached.T @ unmatched + _SMOOTHING * unmatched.sum() / total
    places = np.array([place for place, _ in _COLUMNS])
    for place in range(len(_TAUGHT)):
        m[places == place] /= m[places == place].sum()
        u[places == place] /= u[places == place].sum()
    return m, u


def _climb(
    patterns: _Patterns,
    matches: _Floats,
    weights: _Floats,
    base: float,
    *,
    drawn_to: _Floats,
    free: npt.NDArray[np.bool_],
) -> tuple[_Floats, float]:
    """Newton's method on the penalised likelihood of a logistic scorecard; only `free` weights and the base move."""
    count = patterns.equal + patterns.unequal
    design = np.column_stack([patterns.reached[:, free], np.ones(len(count))])
    penalty = np.append(np.full(int(free.sum()), _RIDGE), 1e-6)
    target = np.append(drawn_to[free], 0.0)
    rest = patterns.reached[:, ~free] @ weights[~free]
    solution = np.append(weights[free], base)
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ solution + rest, -60, 60)))
        slope = design.T @ (matches - count * chance) - penalty * (solution - target)
        curve = (design * (count * chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        solution = solution + step * min(1.0, _LONGEST_STEP / np.abs(step).max())
        if np.abs(step).max() < 1e-6:
            break
    moved = weights.copy()
    moved[free] = solution[:-1]
    return moved, float(solution[-1])


def _falling(patterns: _Patterns, weights: _Floats) -> _Floats:
    """In a falling comparison no level outweighs the one before it, and one never seen weighs the same as that."""
    seen = patterns.reached.sum(axis=0) > 0
    kept = weights.copy()
    for column, (place, reached) in enumerate(_COLUMNS):
        if _TAUGHT[place].is_falling and reached > 1:
            kept[column] = min(kept[column], kept[column - 1]) if seen[column] else kept[column - 1]
    return kept


def _thresholds(patterns: _Patterns, fit: _Fit) -> tuple[float, float]:
    """The lowest weight from which upwards the promised share of labelled pairs are matches; and where cases begin."""
    weight = patterns.reached @ fit.weights + fit.base
    order = np.argsort(-weight, kind="stable")
    count = (patterns.equal + patterns.unequal)[order]
    precision = np.cumsum(fit.matches[order]) / np.cumsum(count)
    kept = np.flatnonzero(precision >= _PROMISED_PRECISION)
    reached = float(weight[order][kept[-1]]) if len(kept) else float(weight.max())
    upper = round(max(_LEAST_UPPER, reached), 2)
    return upper, round(min(_CASES_FROM, upper), 2)


def _weights(comparison: Comparison, fit: _Fit) -> ComparisonWeights:
    if comparison is PERSONAL_NUMBER:
        levels = [
            LevelWeight(level=level.name, m=None, u=None, weight=level.weight)
            for level in comparison.levels
            if level.weight is not None
        ]
        return ComparisonWeights(comparison=comparison.name, levels=tuple(levels))
    place = _TAUGHT.index(comparison)
    columns = [column for column, (owner, _) in enumerate(_COLUMNS) if owner == place]
    return ComparisonWeights(
        comparison=comparison.name,
        levels=tuple(
            LevelWeight(
                level=_LEVELS[column].name,
                m=round(float(fit.m[column]), 7),
                u=round(float(fit.u[column]), 7),
                weight=round(float(fit.weights[column]), 3),
            )
            for column in columns
        ),
    )
