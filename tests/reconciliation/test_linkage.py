"""The whole way from records to subjects, on made-up people whose truth linkage never sees."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from reconciliation.clustering import Clustered, cluster
from reconciliation.deciding import Linked, link
from reconciliation.evidence import COMPARISONS
from reconciliation.scoring import Score, evaluate
from reconciliation.teaching import teach
from reconciliation.weights import FatalModelError, Model, load_model, save_model
from tests.reconciliation.people import Faults, made_up
from tests.reconciliation.shipping import shipped

SEED = 20250701


def linked(records: pa.Table, model: Model) -> tuple[Linked, Clustered]:
    found = link(records, model=model)
    return found, cluster(records["record_key"], found.links, apart=found.apart, numbers=found.numbers)


def scored(model: Model, *, people: int, seed: int, faults: Faults | None = None) -> Score:
    """Shown, with its seed, by whatever assertion fails on it."""
    records, truth = made_up(people, seed=seed, faults=faults)
    return evaluate(linked(records, model)[1].assignment, truth)


def test_the_shipped_model_is_right_on_people_it_was_not_taught_by() -> None:
    score = scored(load_model(), people=8_000, seed=SEED)

    assert score.precision >= 0.998
    assert score.recall >= 0.95


def test_a_model_taught_by_a_pool_is_right_on_another() -> None:
    records, _ = made_up(6_000, seed=SEED + 1)

    score = scored(teach(records, seed=1), people=6_000, seed=SEED + 2)

    assert score.precision >= 0.998
    assert score.recall >= 0.95


@pytest.mark.parametrize(("factor", "recall"), [(0.5, 0.97), (2.0, 0.90)])
def test_precision_holds_at_other_rates_of_faults(factor: float, recall: float) -> None:
    score = scored(load_model(), people=4_000, seed=SEED + 3, faults=Faults().scaled(factor))

    assert score.precision >= 0.998
    assert score.recall >= recall


def test_no_twins_are_merged() -> None:
    records, truth = made_up(4_000, seed=SEED + 4, faults=replace(Faults(), twins=0.2, number_missing=0.5))

    found, result = linked(records, load_model())

    told = result.assignment.join(truth, "record_key").group_by(["subject_id", "delivery"])
    people = told.aggregate([("person", "count_distinct")])["person_count_distinct"]
    twins = truth.group_by("delivery").aggregate([("person", "count_distinct")])["person_count_distinct"]
    assert pc.sum(pc.greater(twins, 1)).as_py() > 100
    assert pc.max(people).as_py() == 1
    assert found.apart.num_rows > 50


def test_teaching_is_the_same_in_any_order() -> None:
    records, _ = made_up(3_000, seed=SEED + 5)
    backwards = records.take(pa.array(range(records.num_rows - 1, -1, -1)))

    assert teach(backwards, seed=1) == teach(records, seed=1)


def test_the_number_teaches_and_is_not_taught() -> None:
    records, _ = made_up(3_000, seed=SEED + 6)

    model = teach(records, seed=1)

    number = model.comparisons[0]
    declared = {level.name: level for level in COMPARISONS[0].levels}
    assert all(level.weight == (declared[level.level].weight or level.weight) for level in number.levels)
    assert all(declared[one.level].floor <= one.weight <= declared[one.level].ceiling for one in number.levels)
    assert all(level.m is None and level.u is None for level in number.levels)
    assert model.training.pairs_equal > 1_000
    assert 0.01 < model.training.number_error < 0.08  # 2 % of the numbers are wrong, and a pair has two


def test_too_little_to_learn_from_leaves_the_shipped_model() -> None:
    records, _ = made_up(200, seed=SEED + 7)

    assert teach(records, seed=1) == load_model()


def test_a_model_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    save_model(load_model(), tmp_path / "model.json")

    assert load_model(tmp_path / "model.json") == load_model()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [('"format": 2', '"format": 9'), ('"rarity"', '"rareness"'), ("{", "["), ('"upper": ', '"upper": -')],
)
def test_a_model_file_that_does_not_fit_is_refused(tmp_path: Path, was: str, becomes: str) -> None:
    save_model(load_model(), tmp_path / "model.json")
    text = (tmp_path / "model.json").read_text(encoding="utf-8")
    (tmp_path / "model.json").write_text(text.replace(was, becomes, 1), encoding="utf-8")

    with pytest.raises(FatalModelError, match=r"model\.json.*Next: teach again"):
        load_model(tmp_path / "model.json")


def test_scores_count_pairs() -> None:
    assignment = pa.table({"record_key": list("abcd"), "subject_id": ["s", "s", "t", "t"]})
    truth = pa.table({"record_key": list("abcde"), "person": [1, 1, 1, 2, 3]})

    score = evaluate(assignment, truth)

    assert (score.predicted, score.true, score.right) == (2, 3, 1)
    assert (score.precision, score.recall, score.f1) == (1 / 2, 1 / 3, 0.4)


@pytest.mark.slow
def test_the_shipped_model_is_what_its_command_makes() -> None:
    made, held = shipped(), load_model()

    assert made.training == held.training
    assert (made.base, made.upper) == pytest.approx((held.base, held.upper), abs=0.05)
    for one, other in zip(made.comparisons, held.comparisons, strict=True):
        assert [level.weight for level in one.levels] == pytest.approx(
            [level.weight for level in other.levels], abs=0.05
        )
