"""A pool of records ──► a model, taught by the pairs whose both sides state the label: for persons, the number.

Equal numbers say "match" and unequal ones say "no match"; the number itself never takes part in what it teaches,
neither as a comparison nor as a blocking rule. Numbers are sometimes wrong, so an unequal number is believed only
as far as the rest of the pair allows; how often numbers err, and how, is estimated on the way. No truth is ever read.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reconciliation.comparing import Comparison, Level
from reconciliation.deciding import mates_of, numbers_of, tuple_sql
from reconciliation.linkage import Linkage
from reconciliation.persons import PERSONS
from reconciliation.pooling import Effort, Pool, pooled
from reconciliation.promising import Outlook, Promise, Sample, Thresholds, thresholds
from reconciliation.weights import ComparisonWeights, LevelWeight, Model, Training, load_model

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]

_METHOD = (
    "pairs labelled by personal numbers, number masked; logistic scorecard drawn towards log2(m/u), numbers may err"
)
# Fewer labelled pairs of either kind than this teach nothing that the shipped model does not know better.
_FEWEST_PAIRS = 1_000
_LARGEST_SAMPLE = 2_000_000
_SAMPLED_OF = 1_000_000
_ROUNDS = 12
# How firmly a level is drawn to its log2(m/u), in pairs; levels of many pairs follow the pairs.
_RIDGE = 1.0
_SMOOTHING = 0.5
_STEPS = 30
_LONGEST_STEP = 3.0
_CLOSE_ENOUGH = 1e-5
_LN2 = float(np.log(2.0))
_FIRST_ERROR = 0.03  # share of matches with unequal numbers, before any is estimated
_LEAST_ERROR = 1e-4


@dataclass(frozen=True, kw_only=True)
class _Design:
    """The taught levels as columns: column c is level `levels[c]` of the taught comparison `places[c]`."""

    comparisons: tuple[Comparison, ...]
    places: _Integers
    reached: _Integers  # the number of the level within its comparison
    levels: tuple[Level, ...]
    first: _Integers  # the first column of each comparison


def _design(linkage: Linkage) -> _Design:
    columns = [(place, at) for place, one in enumerate(linkage.taught) for at in range(1, len(one.levels) + 1)]
    return _Design(
        comparisons=linkage.taught,
        places=np.array([place for place, _ in columns]),
        reached=np.array([at for _, at in columns]),
        levels=tuple(linkage.taught[place].levels[at - 1] for place, at in columns),
        first=np.cumsum([0, *(len(one.levels) for one in linkage.taught)])[:-1],
    )


@dataclass(frozen=True, kw_only=True)
class _Patterns:
    """Distinct combinations of levels among the pairs: `columns` is patterns × comparisons of the design's columns.

    A comparison that cannot be made has the column after the last. `counts` is patterns × levels of the label, of
    which the first is "not comparable"; `free` are those of them that no veto forbids, `hidden` those that one forbids
    which rests on the label.
    """

    columns: _Integers
    counts: _Floats
    free: _Floats
    hidden: _Floats
    equal_levels: tuple[int, ...]
    share: float  # of all pairs that were looked at

    def weigh(self, weights: _Floats, base: float) -> _Floats:
        """The sum of each pattern's weights."""
        return base + np.append(weights, 0.0)[self.columns].sum(axis=1)  # type: ignore[no-any-return]

    def count(self, pairs: _Floats, columns: int) -> _Floats:
        """The pairs at each of the design's columns, given those of each pattern."""
        repeated = np.repeat(pairs, self.columns.shape[1])
        counted: _Floats = np.bincount(self.columns.ravel(), repeated, columns + 1)[:columns].astype(np.float64)
        return counted

    @property
    def equal(self) -> _Floats:
        """Pairs of each pattern that the label calls the same."""
        return self.counts[:, list(self.equal_levels)].sum(axis=1)  # type: ignore[no-any-return]

    @property
    def unequal(self) -> _Floats:
        """Pairs of each pattern whose labels differ."""
        return self.counts[:, 1:].sum(axis=1) - self.equal  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Weights in log2; `matches` is the estimated number of matches, of the shape of the patterns' counts."""

    base: float
    weights: _Floats
    m: _Floats
    u: _Floats
    matches: _Floats


def teach(
    records: pa.Table,
    *,
    seed: int,
    name: str = "taught",
    linkage: Linkage = PERSONS,
    promise: Promise | None = None,
    effort: Effort | None = None,
) -> Model:
    """A model for this pool (linkage.records). Of persons with too few labelled pairs it is the shipped one.

    `seed` chooses the sample when there are more pairs than teaching takes; it changes nothing else.
    """
    with pooled(records, linkage=linkage, effort=effort) as pool:
        return teach_pool(pool, seed=seed, name=name, promise=promise)


def teach_pool(pool: Pool, *, seed: int, name: str = "taught", promise: Promise | None = None) -> Model:
    """What `teach` learns of a pool whose pairs are compared already."""
    promise, linkage = promise or Promise(), pool.linkage
    design = _design(linkage)
    patterns = _observe(pool, design, seed=seed)
    equal, unequal = int(patterns.equal.sum()), int(patterns.unequal.sum())
    if linkage is PERSONS and min(equal, unequal) < _FEWEST_PAIRS:
        return load_model()
    fit = _fit(patterns, design)
    label = _label_weights(patterns, fit, linkage)
    bounds = _thresholds(patterns, fit, label, promise=promise, records=pool.records)
    taught = {one.name: _weights(design, place, fit) for place, one in enumerate(design.comparisons)}
    return Model(
        name=name,
        linkage=linkage.name,
        base=round(fit.base, 3),
        upper=bounds.upper,
        keep=bounds.keep,
        lower=bounds.lower,
        comparisons=tuple(
            label if one.name == linkage.label else ComparisonWeights(comparison=one.name, levels=taught[one.name])
            for one in linkage.comparisons
        ),
        training=Training(
            method=_METHOD,
            records=pool.records,
            pairs_equal=equal,
            pairs_unequal=unequal,
            number_error=round(1 - float(patterns.equal.sum() / fit.matches[:, 1:].sum()), 4),
            seed=seed,
            promised_precision=promise.precision,
            confidence=promise.confidence,
            interval=bounds.interval,
            sampled=bounds.sampled,
            mates=None if linkage.numbers is None else mates_of(numbers_of(pool.connection, linkage)),
        ),
    )


def _observe(pool: Pool, design: _Design, *, seed: int) -> _Patterns:
    """Count the label's levels for every combination of the others, over the pairs found without the label."""
    linkage = pool.linkage
    columns = [comparison.name for comparison in design.comparisons]
    rules = tuple_sql(tuple(place for place, rule in enumerate(linkage.rules) if rule.teaches))
    by_label = tuple(place for place, veto in enumerate(linkage.vetoes, start=1) if veto.is_by_label)
    pairs = pool.connection.sql(f"select count(*) from compared where rule in {rules}").fetchall()[0][0]
    share = min(1.0, _LARGEST_SAMPLE / max(pairs, 1))
    query = f"""
        select {", ".join(columns)}, {linkage.label} as label, count(*) as pairs,
            count(*) filter (veto = 0) as free, count(*) filter (veto in {tuple_sql((0, *by_label))}) as unforbidden
        from compared
        where rule in {rules} and hash(one, other, {seed}) % {_SAMPLED_OF} < {round(share * _SAMPLED_OF)}
        group by all order by all
    """
    table = pool.connection.sql(query).to_arrow_table()
    levels = np.stack([table[column].to_numpy() for column in columns], axis=1).astype(np.int64)
    distinct, pattern = np.unique(levels, axis=0, return_inverse=True)
    assert linkage.labelling is not None  # noqa: S101
    cells = (pattern.ravel(), table["label"].to_numpy())
    counts, free, unforbidden = (np.zeros((len(distinct), 1 + len(linkage.labelling.levels))) for _ in range(3))
    for sums, column in ((counts, "pairs"), (free, "free"), (unforbidden, "unforbidden")):
        np.add.at(sums, cells, table[column].to_numpy())
    return _Patterns(
        columns=np.where(distinct > 0, design.first + distinct - 1, len(design.levels)),
        counts=counts,
        free=free,
        hidden=unforbidden - free,
        equal_levels=linkage.equal_levels,
        share=share,
    )


def _fit(patterns: _Patterns, design: _Design) -> _Fit:
    """Alternate between the weights and the belief in each unequal number, a fixed number of rounds."""
    stated = np.array([np.nan if level.weight is None else level.weight for level in design.levels]) * _LN2
    floors = np.array([level.floor for level in design.levels]) * _LN2
    ceilings = np.array([level.ceiling for level in design.levels]) * _LN2
    labelled = patterns.counts.copy()
    labelled[:, 0] = 0.0
    is_equal = np.isin(np.arange(labelled.shape[1]), patterns.equal_levels)
    weights, base = np.where(np.isnan(stated), 0.0, stated), 0.0
    matches = labelled * is_equal
    m = u = weights
    for round_ in range(_ROUNDS):
        matched, total = matches.sum(axis=1), labelled.sum(axis=1)
        m, u = _shares(patterns, design, matched, total - matched)
        drawn_to = np.clip(np.log(m / u), floors, ceilings)
        if round_ == 0:
            weights = np.where(np.isnan(stated), drawn_to, stated)
            base = float(np.log(matched.sum() / (total - matched).sum()))
        weights, base = _climb(patterns, total, matched, weights, base, drawn_to=drawn_to, free=np.isnan(stated))
        weights = np.where(np.isnan(stated), np.clip(weights, floors, ceilings), stated)
        odds = np.exp(np.clip(patterns.weigh(weights, base), -60, 60))
        ratio = _error_ratios(labelled, matches, is_equal, is_first=round_ == 0)
        unequal = odds[:, None] * ratio / (odds[:, None] * ratio + 1.0)
        matches = labelled * np.where(is_equal, 1.0, unequal)
    return _Fit(base=base / _LN2, weights=_falling(patterns, design, weights / _LN2), m=m, u=u, matches=matches)


def _error_ratios(labelled: _Floats, matches: _Floats, is_equal: npt.NDArray[np.bool_], *, is_first: bool) -> _Floats:
    """For each level of the label its share among matches over that among the others."""
    if is_first:
        return np.full(labelled.shape[1], _FIRST_ERROR)
    m = np.maximum(matches.sum(axis=0), _LEAST_ERROR) / matches.sum()
    u = np.maximum((labelled - matches).sum(axis=0), 1.0) / np.maximum((labelled - matches).sum(), 1.0)
    return np.where(is_equal, 1.0, m / u)


def _shares(patterns: _Patterns, design: _Design, matches: _Floats, unmatched: _Floats) -> tuple[_Floats, _Floats]:
    """m and u of every level within its comparison; a level never seen comes out as saying nothing."""
    total = matches.sum() + unmatched.sum()
    m = patterns.count(matches, len(design.levels)) + _SMOOTHING * matches.sum() / total
    u = patterns.count(unmatched, len(design.levels)) + _SMOOTHING * unmatched.sum() / total
    for place in range(len(design.comparisons)):
        own = design.places == place
        m[own] /= m[own].sum()
        u[own] /= u[own].sum()
    return m, u


def _climb(
    patterns: _Patterns,
    count: _Floats,
    matches: _Floats,
    weights: _Floats,
    base: float,
    *,
    drawn_to: _Floats,
    free: npt.NDArray[np.bool_],
) -> tuple[_Floats, float]:
    """Newton's method on the penalised likelihood of a logistic scorecard; only `free` weights and the base move.

    Sums are taken cell by cell, in order: the same pairs give the same weights on any number of threads.
    """
    size = len(weights)
    moving = np.append(np.flatnonzero(free), size)  # the base is the column after the last
    columns = np.column_stack([patterns.columns, np.full(len(count), size + 1)])
    columns = np.where(columns == size + 1, size, np.where(columns == size, size + 1, columns))
    cells = (columns[:, :, None] * (size + 2) + columns[:, None, :]).ravel()
    solution, target = np.append(weights, base), np.append(drawn_to, 0.0)
    penalty = np.append(np.full(size, _RIDGE), 1e-6)
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(patterns.weigh(solution[:-1], solution[-1]), -60, 60)))
        residual, spread = matches - count * chance, count * chance * (1 - chance)
        slope = np.append(patterns.count(residual, size), residual.sum()) - penalty * (solution - target)
        curve = np.bincount(cells, np.repeat(spread, columns.shape[1] ** 2), (size + 2) ** 2)
        curve = curve.reshape(size + 2, size + 2)[: size + 1, : size + 1] + np.diag(penalty)
        step = np.linalg.solve(curve[np.ix_(moving, moving)], slope[moving])
        solution[moving] += step * min(1.0, _LONGEST_STEP / np.abs(step).max())
        if np.abs(step).max() < _CLOSE_ENOUGH:
            break
    return solution[:-1], float(solution[-1])


def _falling(patterns: _Patterns, design: _Design, weights: _Floats) -> _Floats:
    """In a falling comparison no level outweighs the one before it, and one never seen weighs the same as that."""
    seen = patterns.count(np.ones(len(patterns.columns)), len(design.levels)) > 0
    kept = weights.copy()
    for column, (place, at) in enumerate(zip(design.places.tolist(), design.reached.tolist(), strict=True)):
        if design.comparisons[place].is_falling and at > 1:
            kept[column] = min(kept[column], kept[column - 1]) if seen[column] else kept[column - 1]
    return kept


def _label_weights(patterns: _Patterns, fit: _Fit, linkage: Linkage) -> ComparisonWeights:
    """The label's own weights: those declared, and for its other levels how often they occur among matches."""
    assert linkage.labelling is not None  # noqa: S101
    is_equal = np.isin(np.arange(patterns.counts.shape[1]), patterns.equal_levels)
    labelled = patterns.counts.copy()
    labelled[:, 0] = 0.0
    ratios = np.log2(_error_ratios(labelled, fit.matches, is_equal, is_first=False))
    return ComparisonWeights(
        comparison=linkage.labelling.name,
        levels=tuple(
            LevelWeight(
                level=level.name,
                m=None,
                u=None,
                weight=level.weight
                if level.weight is not None
                else round(float(np.clip(ratios[place], level.floor, level.ceiling)), 3),
            )
            for place, level in enumerate(linkage.labelling.levels, start=1)
        ),
    )


def _thresholds(
    patterns: _Patterns, fit: _Fit, label: ComparisonWeights, *, promise: Promise, records: int
) -> Thresholds:
    """Read off the labelled pairs, weighed without their label, and off all pairs as they will be weighed.

    A pair that is forbidden whatever its label says is no link, so it says nothing of how right links are.
    """
    masked = patterns.weigh(fit.weights, fit.base)
    chance = np.divide(fit.matches, patterns.counts, out=np.zeros_like(fit.matches), where=patterns.counts > 0)
    labelled = patterns.free + patterns.hidden
    sample = Sample(weight=masked, matches=(labelled * chance)[:, 1:].sum(axis=1), pairs=labelled[:, 1:].sum(axis=1))
    own = np.array([0.0, *(level.weight for level in label.levels)])
    has_label = np.arange(len(own)) > 0
    outlook = Outlook(
        weight=(masked[:, None] + own).ravel(),
        pairs=patterns.free.ravel() / patterns.share,
        unlabelled=(patterns.free * ~has_label).ravel() / patterns.share,
        wrong=(patterns.free * (1 - chance) * has_label).ravel() / patterns.share,
        vetoed=(patterns.counts - patterns.free).ravel() / patterns.share,
    )
    return thresholds(sample, outlook, promise=promise, records=records)


def _weights(design: _Design, place: int, fit: _Fit) -> tuple[LevelWeight, ...]:
    return tuple(
        LevelWeight(
            level=design.levels[column].name,
            m=round(float(fit.m[column]), 7),
            u=round(float(fit.u[column]), 7),
            weight=round(float(fit.weights[column]), 3),
        )
        for column in np.flatnonzero(design.places == place).tolist()
    )
