import math
import random
import uuid
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.clustering import LARGEST_CLUSTER, SUBJECTS, Clustered, cluster, open_questions
from reconciliation.deciding import APART, DECISIONS, LINKS, NUMBERS

Pair = tuple[str, str]


def clustered(
    keys: list[str],
    links: dict[Pair, float],
    *,
    apart: dict[Pair, str] | None = None,
    numbers: dict[str, str] | None = None,
    previous: pa.Table | None = None,
) -> Clustered:
    apart, numbers = apart or {}, numbers or {}
    return cluster(
        pa.array(keys, pa.string()),
        pa.table([[a for a, _ in links], [b for _, b in links], list(links.values())], schema=LINKS),
        apart=pa.table([[a for a, _ in apart], [b for _, b in apart], list(apart.values())], schema=APART),
        numbers=pa.table([list(numbers), list(numbers.values())], schema=NUMBERS),
        previous=previous,
    )


def subjects(result: Clustered) -> dict[str, str]:
    return dict(zip(*[column.to_pylist() for column in result.assignment.columns], strict=True))


def groups(result: Clustered) -> set[frozenset[str]]:
    together: dict[str, set[str]] = {}
    for key, subject in subjects(result).items():
        together.setdefault(subject, set()).add(key)
    return {frozenset(members) for members in together.values()}


def naive(
    keys: list[str], links: dict[Pair, float], apart: dict[Pair, str], numbers: dict[str, str]
) -> tuple[set[frozenset[str]], set[Pair]]:
    """The stated rule over everything, one link at a time: (groups, links refused between two groups)."""
    group = {key: {key} for key in keys}
    refused = set()
    for (a, b), weight in sorted(links.items(), key=lambda link: (-link[1], link[0])):
        if group[a] is group[b]:
            continue
        said = {apart.get((x, y), apart.get((y, x))) for x in group[a] for y in group[b]} - {None}
        one, other = ({numbers[x] for x in group[at] if x in numbers} for at in (a, b))
        two_numbers = bool(one and other and not one & other) and not (a in numbers and b in numbers)
        guarded = bool(said) or two_numbers or len(group[a] | group[b]) > LARGEST_CLUSTER
        if "judgement" in said or (guarded and weight < math.inf):
            refused.add((a, b))
            continue
        joined = group[a] | group[b]
        for key in joined:
            group[key] = joined
    return {frozenset(members) for members in group.values()}, {
        pair for pair in refused if group[pair[0]] is not group[pair[1]]
    }


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[str], dict[Pair, float], dict[Pair, str], dict[str, str]]:
    keys = [f"k{at:02d}" for at in range(draw(st.integers(0, 40)))]
    if len(keys) < 2:
        return keys, {}, {}, {}
    pairs = st.tuples(st.sampled_from(keys), st.sampled_from(keys)).filter(lambda pair: pair[0] < pair[1])
    links = draw(st.dictionaries(pairs, st.sampled_from([3.0, 5.0, 8.5, 21.0, math.inf]), max_size=60))
    apart = draw(st.dictionaries(pairs, st.sampled_from(["judgement", "twins"]), max_size=8))
    numbers = draw(st.dictionaries(st.sampled_from(keys), st.sampled_from(["n1", "n2", "n3"]), max_size=12))
    return keys, links, apart, numbers


@given(pools())
@settings(max_examples=120, deadline=None)
def test_groups_and_cuts_are_those_of_the_stated_rule(pool) -> None:
    keys, links, apart, numbers = pool

    result = clustered(keys, links, apart=apart, numbers=numbers)

    expected, refused = naive(keys, links, apart, numbers)
    assert groups(result) == expected
    assert set(zip(*[result.cuts[side].to_pylist() for side in ("left_key", "right_key")], strict=True)) == refused


@given(pools(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_input_does_not_matter(pool, dice: random.Random) -> None:
    keys, links, apart, numbers = pool
    flipped = {(pair if dice.random() < 0.5 else pair[::-1]): links[pair] for pair in shuffled(links, dice)}

    one = clustered(keys, links, apart=apart, numbers=numbers)
    other = clustered(
        shuffled(keys, dice),
        flipped,
        apart={pair: apart[pair] for pair in shuffled(apart, dice)},
        numbers={key: numbers[key] for key in shuffled(numbers, dice)},
    )

    assert one.assignment.equals(other.assignment)
    assert one.cuts.equals(other.cuts)


def shuffled(things, dice: random.Random) -> list:
    order = list(things)
    dice.shuffle(order)
    return order


@given(pools(), pools())
@settings(max_examples=50, deadline=None)
def test_a_second_run_changes_no_id(before, after) -> None:
    earlier = clustered(before[0], before[1], apart=before[2], numbers=before[3])

    first = clustered(after[0], after[1], apart=after[2], numbers=after[3], previous=earlier.assignment)
    second = clustered(after[0], after[1], apart=after[2], numbers=after[3], previous=first.assignment)

    assert second.assignment.equals(first.assignment)
    assert second.moves.num_rows == 0


@given(pools(), pools())
@settings(max_examples=50, deadline=None)
def test_no_two_groups_share_an_id_and_every_change_is_a_recorded_move(before, after) -> None:
    earlier = clustered(before[0], before[1], apart=before[2], numbers=before[3])

    later = clustered(after[0], after[1], apart=after[2], numbers=after[3], previous=earlier.assignment)

    assert groups(later) == naive(*after)[0]
    was, is_now = subjects(earlier), subjects(later)
    changed: dict[Pair, int] = {}
    for key in was.keys() & is_now.keys():
        if was[key] != is_now[key]:
            changed[was[key], is_now[key]] = changed.get((was[key], is_now[key]), 0) + 1
    assert {(move["before"], move["after"]): move["records"] for move in later.moves.to_pylist()} == changed


@given(pools())
@settings(max_examples=50, deadline=None)
def test_what_a_steward_joined_is_one_unless_another_judgement_parts_it_and_then_that_is_told(pool) -> None:
    keys, links, apart, numbers = pool

    result = clustered(keys, links, apart=apart, numbers=numbers)

    held = subjects(result)
    cut = {(row["left_key"], row["right_key"]): row["reason"] for row in result.cuts.to_pylist()}
    for (one, other), weight in links.items():
        if weight == math.inf:
            assert held[one] == held[other] or cut[one, other] == "judgement"
    for (one, other), reason in apart.items():
        assert reason != "judgement" or held[one] != held[other]


def test_a_judgement_joins_through_a_veto_two_numbers_and_any_size() -> None:
    many = [f"k{place:02d}" for place in range(LARGEST_CLUSTER + 2)]
    chain = dict.fromkeys(pairwise(many), math.inf)

    assert len(groups(clustered(many, chain))) == 1
    assert len(groups(clustered(["a", "b", "c"], {("a", "b"): math.inf, ("b", "c"): math.inf},
                                apart={("a", "c"): "twins"}, numbers={"a": "n1", "c": "n2"}))) == 1  # fmt: skip


@given(pools())
@settings(max_examples=50, deadline=None)
def test_what_is_kept_apart_stays_apart(pool) -> None:
    keys, links, apart, numbers = pool

    held = subjects(clustered(keys, links, apart=apart, numbers=numbers))

    joined = subjects(clustered(keys, {pair: weight for pair, weight in links.items() if weight == math.inf},
                                apart={pair: said for pair, said in apart.items() if said == "judgement"}))  # fmt: skip
    assert all(held[one] != held[other] or joined[one] == joined[other] for one, other in apart)


def test_the_weakest_link_of_the_way_is_cut() -> None:
    links = {("a", "b"): 9.0, ("b", "c"): 4.0, ("c", "d"): 9.0}

    result = clustered(list("abcd"), links, apart={("a", "d"): "judgement"})

    assert groups(result) == {frozenset("ab"), frozenset("cd")}
    assert result.cuts.to_pylist() == [{"left_key": "b", "right_key": "c", "weight": 4.0, "reason": "judgement"}]


def test_two_numbers_are_not_joined_through_a_record_without() -> None:
    links = {("a", "b"): 9.0, ("b", "c"): 8.0}

    result = clustered(list("abc"), links, numbers={"a": "n1", "c": "n2"})

    assert groups(result) == {frozenset("ab"), frozenset("c")}
    assert result.cuts["reason"].to_pylist() == ["two_numbers"]


def test_two_numbers_are_joined_by_a_link_that_has_weighed_them() -> None:
    links = {("a", "b"): 9.0, ("b", "c"): 8.0, ("a", "c"): 5.0}

    result = clustered(list("abc"), links, numbers={"a": "n1", "c": "n2"})

    assert groups(result) == {frozenset("abc")}
    assert result.cuts.num_rows == 0


def test_a_chain_does_not_grow_without_end() -> None:
    keys = [f"k{at:03d}" for at in range(LARGEST_CLUSTER * 2)]
    links = dict.fromkeys(pairwise(keys), 9.0)

    result = clustered(keys, links)

    assert max(len(members) for members in groups(result)) <= LARGEST_CLUSTER
    assert set(result.cuts["reason"].to_pylist()) == {"too_large"}


def test_judgements_that_contradict_each_other_are_told() -> None:
    result = clustered(list("ab"), {("a", "b"): math.inf}, apart={("a", "b"): "judgement"})

    assert groups(result) == {frozenset("a"), frozenset("b")}
    assert result.cuts.to_pylist() == [{"left_key": "a", "right_key": "b", "weight": math.inf, "reason": "judgement"}]


def test_a_new_id_is_made_from_the_smallest_key() -> None:
    result = clustered(list("cba"), {("b", "c"): 9.0})

    assert subjects(result) == {
        "a": str(uuid.uuid5(SUBJECTS, "a")),
        "b": str(uuid.uuid5(SUBJECTS, "b")),
        "c": str(uuid.uuid5(SUBJECTS, "b")),
    }


def test_when_two_subjects_merge_the_larger_keeps_its_id() -> None:
    before = clustered(list("abc"), {("b", "c"): 9.0})

    after = clustered(list("abc"), {("b", "c"): 9.0, ("a", "b"): 9.0}, previous=before.assignment)

    assert set(subjects(after).values()) == {subjects(before)["b"]}
    assert after.moves.to_pylist() == [{"before": subjects(before)["a"], "after": subjects(before)["b"], "records": 1}]


def test_when_a_subject_splits_the_larger_part_keeps_its_id_and_merging_again_restores_it() -> None:
    whole = clustered(list("abc"), {("a", "b"): 9.0, ("b", "c"): 9.0})
    split = clustered(list("abc"), {("b", "c"): 9.0}, previous=whole.assignment)
    again = clustered(list("abc"), {("a", "b"): 9.0, ("b", "c"): 9.0}, previous=split.assignment)

    assert subjects(split)["b"] == subjects(split)["c"] == subjects(whole)["b"]
    assert subjects(split)["a"] != subjects(whole)["a"]
    assert again.assignment.equals(whole.assignment)


def test_unmerging_restores_the_ids_from_before_the_merge() -> None:
    apart = clustered(list("abc"), {("b", "c"): 9.0})
    merged = clustered(list("abc"), {("b", "c"): 9.0, ("a", "b"): 9.0}, previous=apart.assignment)
    unmerged = clustered(list("abc"), {("b", "c"): 9.0}, previous=merged.assignment)

    assert unmerged.assignment.equals(apart.assignment)


def test_records_that_are_gone_and_pairs_of_strangers_are_left_out() -> None:
    before = clustered(list("abc"), {("a", "b"): 9.0, ("b", "c"): 9.0})

    after = clustered(
        list("ab"), {("a", "b"): 9.0, ("b", "z"): 9.0}, apart={("a", "y"): "judgement"}, previous=before.assignment
    )

    assert subjects(after) == {key: subjects(before)[key] for key in "ab"}


def test_a_case_within_one_subject_is_no_question_any_more() -> None:
    kept = clustered(list("abcd"), {("a", "b"): 9.0, ("b", "c"): 9.0})
    rows = [
        {"left_key": left, "right_key": right, "decision": "case", "decided_by": "weight", "weight": weight}
        for left, right, weight in (("a", "c", 1.0), ("a", "d", 1.0), ("b", "d", 2.0), ("c", "d", 2.0))
    ]

    questions = open_questions(pa.Table.from_pylist(rows, schema=DECISIONS), kept.assignment)

    assert pc.binary_join_element_wise(questions["left_key"], questions["right_key"], "-").to_pylist() == ["b-d"]
