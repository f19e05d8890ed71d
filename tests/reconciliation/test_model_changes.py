import json
from dataclasses import replace
from pathlib import Path

from reconciliation.model_changes import compare_models, save_change
from reconciliation.pooling import pooled
from reconciliation.weights import Model, load_model
from tests.reconciliation.people import made_up

MODEL = load_model()


def with_weight(model: Model, comparison: str, level: str, weight: float) -> Model:
    return replace(
        model,
        name="new",
        comparisons=tuple(
            replace(
                one,
                levels=tuple(
                    replace(its, weight=weight) if (one.comparison, its.level) == (comparison, level) else its
                    for its in one.levels
                ),
            )
            for one in model.comparisons
        ),
    )


def test_a_model_changes_nothing_against_itself() -> None:
    records, _ = made_up(500, seed=71)

    with pooled(records) as pool:
        change = compare_models(MODEL, MODEL, pool=pool)

    assert (change.levels, change.thresholds, change.records_moved, change.links_lost) == ((), {}, 0, 0)
    assert {(one.before, one.after) for one in change.pairs} <= {("link", "link"), ("case", "case")}
    assert change.subjects_before == change.subjects_after


def test_the_levels_that_change_are_named_the_largest_first() -> None:
    new = with_weight(with_weight(MODEL, "sex", "equal", 5.0), "place", "unit", 30.0)

    change = compare_models(MODEL, new)

    assert [(one.comparison, one.level, one.after) for one in change.levels] == [
        ("place", "unit", 30.0),
        ("sex", "equal", 5.0),
    ]


def test_links_that_a_new_model_would_not_make_are_counted_before_it_is_used() -> None:
    records, _ = made_up(800, seed=72)
    stern = replace(MODEL, name="stern", upper=20.0, keep=20.0)

    with pooled(records) as pool:
        change = compare_models(MODEL, stern, pool=pool)

    assert change.links_lost > 0
    assert change.subjects_after > change.subjects_before
    assert change.thresholds["upper"] == (MODEL.upper, 20.0)


def test_links_that_stand_are_kept_by_a_threshold_that_rises_a_little() -> None:
    records, _ = made_up(800, seed=72)
    raised = replace(MODEL, name="raised", upper=20.0, keep=MODEL.upper)

    with pooled(records) as pool:
        change = compare_models(MODEL, raised, pool=pool)

    assert change.links_lost == 0
    assert change.records_moved == 0


def test_a_comparison_is_a_file_without_anybodys_data(tmp_path: Path) -> None:
    records, _ = made_up(300, seed=73)
    with pooled(records) as pool:
        change = compare_models(MODEL, replace(MODEL, name="new", upper=9.0), pool=pool)

    save_change(change, tmp_path / "change.json")

    text = (tmp_path / "change.json").read_text(encoding="utf-8")
    assert json.loads(text)["records"] == records.num_rows
    assert not any(key in text for key in records["record_key"].to_pylist())
