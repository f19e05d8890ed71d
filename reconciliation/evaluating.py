"""Declared conditions ──► what they say of one record beside a few, without an engine: a plan is half the time there.

The same text that is compiled to SQL over millions of pairs is read by the engine's own parser and evaluated here over
columns of numpy, in SQL's three values. A word of SQL that is not known here is refused when the plan is made.
"""

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import duckdb
import numpy as np
import numpy.typing as npt

from reconciliation.errors import ReconciliationError

_Flags = npt.NDArray[np.bool_]
_Values = npt.NDArray[Any]


class FatalConditionError(ReconciliationError):
    """A declared condition says what is not known here: teach this module the word, or say it otherwise."""


@dataclass(frozen=True)
class Column:
    """Values of some pairs; where `known` is False the value is SQL's null and means nothing."""

    values: _Values
    known: _Flags

    def take(self, rows: npt.NDArray[np.intp]) -> "Column":
        """The values of some of the pairs."""
        return Column(self.values[rows], self.known[rows])


# By the name of a table and of its column: ("l", "birth_year").
Columns = Mapping[tuple[str, str], Column]


@dataclass(frozen=True)
class _Pairs:
    """Some pairs of those whose `columns` are given."""

    columns: Columns
    rows: npt.NDArray[np.intp]

    def only(self, chosen: _Flags) -> "_Pairs":
        return _Pairs(self.columns, self.rows[chosen])


_Term = Callable[[_Pairs], Column]


@dataclass(frozen=True)
class Condition:
    """One condition, ready to be asked."""

    term: _Term

    def holds(self, columns: Columns, rows: npt.NDArray[np.intp]) -> _Flags:
        """Whether it is true of each of the `rows`; what is null is not true."""
        found = self.term(_Pairs(columns, rows))
        return cast("_Flags", found.known & found.values.astype(bool))


def conditions(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> list[Condition]:
    """The conditions said in SQL over l, r and what is joined to them. Raises FatalConditionError for an unknown word.

    The connection only parses; nothing is looked up in it.
    """
    said = connection.execute("select json_serialize_sql($1)", ["select " + ", ".join(texts)]).fetchall()[0][0]
    read = json.loads(said)
    if read["error"]:
        message = f"conditions that are no SQL: {read['error_message']}. Next: correct the declaration."
        raise FatalConditionError(message)
    return [Condition(_term(node)) for node in read["statements"][0]["node"]["select_list"]]


def _term(node: dict[str, Any]) -> _Term:
    made = _TERMS.get(node["class"])
    if made is None:
        raise _unknown(node["class"])
    return made(node)


def _compared(node: dict[str, Any]) -> _Term:
    if node["type"] not in _COMPARED:
        raise _unknown(node["type"])
    return _strict(_COMPARED[node["type"]], [_term(node["left"]), _term(node["right"])])


def _between(node: dict[str, Any]) -> _Term:
    value = _term(node["input"])
    above = _strict(_COMPARED["COMPARE_GREATERTHANOREQUALTO"], [value, _term(node["lower"])])
    return _both(above, _strict(_COMPARED["COMPARE_LESSTHANOREQUALTO"], [value, _term(node["upper"])]))


def _conjunction(node: dict[str, Any]) -> _Term:
    joined, *others = [_term(child) for child in sorted(node["children"], key=_cost)]
    for term in others:
        joined = _both(joined, term) if node["type"] == "CONJUNCTION_AND" else _either(joined, term)
    return joined


def _unknown(what: str) -> FatalConditionError:
    return FatalConditionError(f"a condition says {what}. Next: add it to evaluating.py, or say it otherwise.")


def _cost(node: dict[str, Any]) -> int:
    """What is dear is asked last, of the pairs that are left."""
    return json.dumps(node).count("damerau_levenshtein")


def _column(table: str, name: str) -> _Term:
    return lambda pairs: pairs.columns[table, name].take(pairs.rows)


def _constant(literal: dict[str, Any]) -> _Term:
    value: Any
    match literal["kind"]:
        case "BOOLEAN":
            value = literal["text"] == "true"
        case "INTEGER" | "BIGINT":
            value = np.int64(literal["text"])
        case "VARCHAR":
            value = literal["text"]
        case what:
            raise _unknown(what)
    held = np.empty(1, object if isinstance(value, str) else np.asarray(value).dtype)
    held[0] = value
    return lambda pairs: Column(np.repeat(held, len(pairs.rows)), np.ones(len(pairs.rows), np.bool_))


def _cast(term: _Term, to: str) -> _Term:
    if to not in {"INTEGER", "BIGINT"}:
        raise _unknown(f"a cast to {to}")

    def evaluate(pairs: _Pairs) -> Column:
        found = term(pairs)
        return Column(found.values.astype(np.int64), found.known)

    return evaluate


_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "COMPARE_EQUAL": operator.eq,
    "COMPARE_NOTEQUAL": operator.ne,
    "COMPARE_LESSTHAN": operator.lt,
    "COMPARE_LESSTHANOREQUALTO": operator.le,
    "COMPARE_GREATERTHAN": operator.gt,
    "COMPARE_GREATERTHANOREQUALTO": operator.ge,
}


def _strict(apply: Callable[..., Any], terms: list[_Term]) -> _Term:
    """Null where any of what is asked about is null; `apply` sees the others only."""

    def evaluate(pairs: _Pairs) -> Column:
        found = [term(pairs) for term in terms]
        known = np.logical_and.reduce([one.known for one in found])
        if known.all():
            return Column(apply(*(one.values for one in found)), known)
        said = np.asarray(apply(*(one.values[known] for one in found)))
        values = np.zeros(len(known), said.dtype)
        values[known] = said
        return Column(values, known)

    return evaluate


def _both(one: _Term, other: _Term) -> _Term:
    return _joined(one, other, settles=False)


def _either(one: _Term, other: _Term) -> _Term:
    return _joined(one, other, settles=True)


def _joined(one: _Term, other: _Term, *, settles: bool) -> _Term:
    """And, or. The second is asked only of the pairs that the first has not settled."""

    def evaluate(pairs: _Pairs) -> Column:
        first = one(pairs)
        values, known = first.values.astype(bool), first.known.copy()
        left = ~known | (values != settles)
        if left.any():
            second = other(pairs.only(left))
            said = second.values.astype(bool)
            is_settled = second.known & (said == settles)
            known[left] = is_settled | (known[left] & second.known)
            values[left] = np.where(is_settled, settles, said)
        return Column(values, known)

    return evaluate


def _operator(kind: str, terms: list[_Term]) -> _Term:
    match kind:
        case "OPERATOR_NOT":
            return _strict(lambda values: ~values.astype(bool), terms)
        case "OPERATOR_IS_NULL":
            return _knowing(terms[0], known=False)
        case "OPERATOR_IS_NOT_NULL":
            return _knowing(terms[0], known=True)
        case "OPERATOR_COALESCE":
            return _first_known(terms)
        case what:
            raise _unknown(what)


def _knowing(term: _Term, *, known: bool) -> _Term:
    def evaluate(pairs: _Pairs) -> Column:
        found = term(pairs).known
        return Column(found == known, np.ones(len(found), np.bool_))

    return evaluate


def _first_known(terms: list[_Term]) -> _Term:
    def evaluate(pairs: _Pairs) -> Column:
        found = terms[0](pairs)
        for term in terms[1:]:
            if found.known.all():
                return found
            other = term(pairs)
            values = np.where(found.known, found.values, other.values)
            found = Column(values, found.known | other.known)
        return found

    return evaluate


def _function(name: str, terms: list[_Term]) -> _Term:
    if name in {"greatest", "least"}:
        return _extreme(np.maximum if name == "greatest" else np.minimum, terms)
    if name not in _FUNCTIONS:
        raise _unknown(name)
    return _strict(_FUNCTIONS[name], terms)


def _extreme(of_two: Callable[[Any, Any], Any], terms: list[_Term]) -> _Term:
    """The greatest or least of what is known."""

    def evaluate(pairs: _Pairs) -> Column:
        found = terms[0](pairs)
        for term in terms[1:]:
            other = term(pairs)
            both = of_two(found.values, other.values)
            alone = np.where(found.known, found.values, other.values)
            found = Column(np.where(found.known & other.known, both, alone), found.known | other.known)
        return found

    return evaluate


def _each(apply: Callable[..., Any]) -> Callable[..., _Values]:
    """For what numpy has no word: each different question is asked once."""

    def answered(*columns: _Values) -> _Values:
        asked = list(zip(*(column.tolist() for column in columns), strict=True))
        return np.array([apply(*question) for question in asked])

    return answered


def damerau_levenshtein(one: str, other: str) -> int:
    """How many letters lie between two words: lost, added, changed, or two changed over. As the engine counts them."""
    left, right = one.encode(), other.encode()
    if left == right:
        return 0
    last: dict[int, int] = {}
    most = len(left) + len(right)
    costs = [[most] * (len(right) + 2) for _ in range(len(left) + 2)]
    for row in range(len(left) + 1):
        costs[row + 1][1] = row
    for column in range(len(right) + 1):
        costs[1][column + 1] = column
    for row, letter in enumerate(left, start=1):
        matched = 0
        for column, beside in enumerate(right, start=1):
            before_row, before_column = last.get(beside, 0), matched
            is_other = letter != beside
            if not is_other:
                matched = column
            costs[row + 1][column + 1] = min(
                costs[row][column] + is_other,
                costs[row + 1][column] + 1,
                costs[row][column + 1] + 1,
                costs[before_row][before_column] + row - before_row + column - before_column - 1,
            )
        last[letter] = row
    return costs[-1][-1]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "abs": np.abs,
    "damerau_levenshtein": _each(damerau_levenshtein),
    "list_has_all": _each(lambda all_of, these: set(these) <= set(all_of)),
}

_TERMS: dict[str, Callable[[dict[str, Any]], _Term]] = {
    "COLUMN_REF": lambda node: _column(*node["column_names"]),
    "CONSTANT": lambda node: _constant(node["literal"]),
    "CAST": lambda node: _cast(_term(node["child"]), node["type_expr"]["type_name"]),
    "COMPARISON": _compared,
    "BETWEEN": _between,
    "CONJUNCTION": _conjunction,
    "OPERATOR": lambda node: _operator(node["type"], [_term(child) for child in node["children"]]),
    "FUNCTION": lambda node: _function(
        node["function_name"], [_term(child["expression"]) for child in node["arguments"]]
    ),
}
