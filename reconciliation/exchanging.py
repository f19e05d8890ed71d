"""A model ──► Splink's model JSON, and back: the same comparisons, levels and weights, for whoever trusts that tool.

Splink weighs a level by log2(m/u), so m is written as u × 2^weight. Vetoes, thresholds and the queue are ours alone:
they stay in our file. What Splink reads is a table of `flat_sql`, since it looks at two records and nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reconciliation.comparing import Comparison
from reconciliation.linkage import Linkage
from reconciliation.persons import PERSONS
from reconciliation.weights import ComparisonWeights, FatalModelError, LevelWeight, Model, check_model

_LARGEST = 0.999  # of a probability that Splink is to take
_UNSTATED = 0.5  # u of a level whose weight was declared


def flat_sql(linkage: Linkage = PERSONS) -> str:
    """A query over a pool (pooling.Pool) of what Splink has to see of each record: columns, keys and lookups."""
    keys = ", ".join(
        f"max(key) filter (rule = {place}) as block_{rule.name}" for place, rule in enumerate(linkage.rules)
    )
    lookups = "".join(f", {lookup.column_sql} as {lookup.column}" for lookup in linkage.lookups)
    return f"""
        select l.*, blocked.* exclude (row){lookups}
        from candidates as l left join (select row, {keys} from postings group by row) as blocked using (row)
    """


def export_model(model: Model, *, linkage: Linkage = PERSONS) -> dict[str, Any]:
    """Splink settings that weigh every pair as `model` does, up to rounding; to be written as JSON."""
    check_model(model, model.name, linkage=linkage)
    odds = 2.0**model.base
    held = {weights.comparison: weights for weights in model.comparisons}
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record_key",
        "sql_dialect": "duckdb",
        "probability_two_random_records_match": odds / (1 + odds),
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "additional_columns_to_retain": [],
        "linker_uid": model.name,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": f"l.block_{rule.name} = r.block_{rule.name}", "sql_dialect": "duckdb"}
            for rule in linkage.rules
        ],
        "comparisons": [_exported(comparison, held[comparison.name], linkage) for comparison in linkage.comparisons],
    }


def import_model(settings: Mapping[str, Any], *, like: Model, name: str, linkage: Linkage = PERSONS) -> Model:
    """The model that Splink settings state; thresholds and training record are those of `like`.

    Comparisons and levels are known by their names. Raises FatalModelError when one is missing or has no m and u.
    """
    try:
        prior = float(settings["probability_two_random_records_match"])
        stated = {one["output_column_name"]: _stated(one) for one in settings["comparisons"]}
        model = replace(
            like,
            name=name,
            base=round(float(np.log2(prior / (1 - prior))), 3),
            comparisons=tuple(
                _imported(comparison, stated[comparison.name], before)
                for comparison, before in zip(linkage.comparisons, like.comparisons, strict=True)
            ),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        message = f"Splink model {name}: {type(error).__name__} {error}. Next: export a model, and train that one."
        raise FatalModelError(message) from error
    check_model(model, name, linkage=linkage)
    return model


def _exported(comparison: Comparison, weights: ComparisonWeights, linkage: Linkage) -> dict[str, Any]:
    levels: list[dict[str, Any]] = [
        {"sql_condition": _flat(comparison.missing, linkage), "label_for_charts": "missing", "is_null_level": True}
    ]
    for level, weight in zip(comparison.levels, weights.levels, strict=True):
        u = min(weight.u or _UNSTATED, _LARGEST * 2.0**-weight.weight)
        condition = "ELSE" if level.when == "true" else _flat(level.when, linkage)
        levels.append(
            {
                "sql_condition": condition,
                "label_for_charts": level.name,
                "m_probability": u * 2.0**weight.weight,
                "u_probability": u,
            }
        )
    return {"output_column_name": comparison.name, "comparison_levels": levels}


def _flat(sql: str, linkage: Linkage) -> str:
    """The same condition over the columns of two flat records."""
    for lookup in linkage.lookups:
        sql = sql.replace(lookup.reads, lookup.between)
    return re.sub(r"\b([lr])\.(\w+)", r'"\2_\1"', sql)


def _stated(comparison: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {
        level["label_for_charts"]: (float(level["m_probability"]), float(level["u_probability"]))
        for level in comparison["comparison_levels"]
        if not level.get("is_null_level")
    }


def _imported(
    comparison: Comparison, stated: Mapping[str, tuple[float, float]], before: ComparisonWeights
) -> ComparisonWeights:
    """The stated weights; m and u where the level has them and Splink says them anew."""
    levels = []
    for level, old in zip(comparison.levels, before.levels, strict=True):
        m, u = stated[level.name]
        weight = round(float(np.log2(m / u)), 3)
        is_same = weight == old.weight
        levels.append(
            old
            if is_same
            else LevelWeight(
                level=level.name, m=round(m, 7) if old.m else None, u=round(u, 7) if old.u else None, weight=weight
            )
        )
    return ComparisonWeights(comparison=comparison.name, levels=tuple(levels))
