"""The ledger against a model of it: whatever is landed, replayed, reused or cut off, in any order, by two sources."""

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from adapters.canonical import RecordKind
from reconciliation.errors import RejectedRequestError
from reconciliation.model import Receipt, State
from reconciliation.store import landing
from tests.database import clean
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

SOURCES = ("yen-bai.population", "lao-cai.population")
Version = tuple[str, int, str]  # the source's own key, the version, the content


class KilledError(Exception):
    """Stands for the end of the process."""


@dataclass
class Model:
    """What the ledger of one source should hold: batches by sequence, and of each key the version that stands."""

    batches: dict[int, tuple[bytes, Receipt]] = field(default_factory=dict)
    stored: list[Version] = field(default_factory=list)
    standing: dict[str, tuple[int, str]] = field(default_factory=dict)

    def take(self, versions: Sequence[Version]) -> int:
        """The batch arrives; return how many of its versions are late."""
        late = 0
        for key, version, content in versions:
            self.stored.append((key, version, content))
            stands = self.standing.get(key)
            if stands is not None and (version < stands[0] or (version, content) == stands):
                late += 1
            else:
                self.standing[key] = (version, content)
        return late


versions = st.lists(
    st.tuples(st.sampled_from("ABCDE"), st.integers(1, 6), st.sampled_from(("so 1", "so 2"))),
    min_size=1,
    max_size=4,
    unique_by=lambda version: version[0],
)
sources = st.sampled_from(SOURCES)


def payload_of(said: Sequence[Version]) -> bytes:
    return repr(list(said)).encode()


def land(engine: sa.Engine, source_id: str, sequence: int, said: Sequence[Version]) -> Receipt:
    table = rows(
        RecordKind.PERSON,
        *({"source_record_id": key, "source_version": version, "address": content} for key, version, content in said),
    )
    one = batch(sequence, source_id=source_id, payload=payload_of(said))
    return landing.land(engine, one, normalised(table), source=source(source_id), now=NOW)


@contextmanager
def killed_at_commit(engine: sa.Engine, *, before: bool) -> Iterator[None]:
    """The process ends just before its COMMIT, or just after it and before anybody is told."""
    begin = type(engine).begin

    @contextmanager
    def cut_short(self: sa.Engine) -> Iterator[sa.Connection]:
        with begin(self) as connection:
            yield connection
            if before:
                raise KilledError
        raise KilledError

    with patch.object(type(engine), "begin", cut_short), pytest.raises(KilledError):
        yield


class Ledger(RuleBasedStateMachine):
    """Two sources at one ledger. A test says at which."""

    engine: ClassVar[sa.Engine]
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        clean(self.url)
        self.models = {source_id: Model() for source_id in SOURCES}

    def _take(self, source_id: str, sequence: int, said: Sequence[Version], receipt: Receipt) -> None:
        model = self.models[source_id]
        late = model.take(said)
        assert (receipt.received, receipt.superseded) == (len(said), late)
        assert receipt.accepted == len(said) - late
        model.batches[sequence] = (payload_of(said), replace(receipt, replayed=True))

    @rule(source_id=sources, said=versions, gap=st.integers(1, 3))
    def land_new(self, source_id: str, said: list[Version], gap: int) -> None:
        sequence = max(self.models[source_id].batches, default=0) + gap
        receipt = land(self.engine, source_id, sequence, said)
        assert not receipt.replayed
        self._take(source_id, sequence, said, receipt)

    @precondition(lambda self: any(model.batches for model in self.models.values()))
    @rule(data=st.data())
    def land_again(self, data: st.DataObject) -> None:
        source_id, sequence = self._one_of(data)
        payload, receipt = self.models[source_id].batches[sequence]
        assert land(self.engine, source_id, sequence, _read(payload)) == receipt

    @precondition(lambda self: any(model.batches for model in self.models.values()))
    @rule(data=st.data(), said=versions)
    def reuse_the_key(self, data: st.DataObject, said: list[Version]) -> None:
        source_id, sequence = self._one_of(data)
        if payload_of(said) == self.models[source_id].batches[sequence][0]:
            return
        with pytest.raises(RejectedRequestError) as caught:
            land(self.engine, source_id, sequence, said)
        assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"

    @rule(source_id=sources, said=versions, before=st.booleans())
    def die_and_ask_again(self, source_id: str, said: list[Version], before: bool) -> None:
        sequence = max(self.models[source_id].batches, default=0) + 1
        with killed_at_commit(self.engine, before=before):
            land(self.engine, source_id, sequence, said)
        receipt = land(self.engine, source_id, sequence, said)
        assert receipt.replayed is not before
        self._take(source_id, sequence, said, receipt)

    def _one_of(self, data: st.DataObject) -> tuple[str, int]:
        known = [(name, sequence) for name in SOURCES for sequence in self.models[name].batches]
        return data.draw(st.sampled_from(known))

    @invariant()
    def what_is_stored_is_what_landed(self) -> None:
        for source_id, model in self.models.items():
            assert stored(self.engine, source_id) == sorted(model.stored)
            assert ledger(self.engine, source_id) == sorted(model.batches)

    @invariant()
    def the_newest_version_of_each_record_stands_and_no_other(self) -> None:
        for source_id, model in self.models.items():
            expected = sorted((key, *stands) for key, stands in model.standing.items())
            assert standing(self.engine, source_id) == waiting(self.engine, source_id) == expected

    @invariant()
    def what_is_durable_has_no_gap(self) -> None:
        for source_id, model in self.models.items():
            known = landing.last_durable_sequence(self.engine, source_id=source_id, epoch="e1")
            assert known == next(n for n in range(len(model.batches) + 2) if n + 1 not in model.batches)


def _read(payload: bytes) -> list[Version]:
    return [(key, version, content) for key, version, content in ast.literal_eval(payload.decode())]


def _rows(engine: sa.Engine, query: str, source_id: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), {"source_id": source_id})]


_SAID = 'r.source_record_id COLLATE "C" AS key, r.source_version, r.address'


def stored(engine: sa.Engine, source_id: str) -> list[Any]:
    query = f"SELECT {_SAID} FROM person_record r WHERE source_id = :source_id ORDER BY 1, 2, 3"
    return _rows(engine, query, source_id)


def standing(engine: sa.Engine, source_id: str) -> list[Any]:
    heads = f"SELECT {_SAID} FROM person_record r JOIN record_head h USING (record_id)"
    return _rows(engine, f"{heads} WHERE h.source_id = :source_id ORDER BY 1, 2, 3", source_id)


def waiting(engine: sa.Engine, source_id: str) -> list[Any]:
    states = f"SELECT {_SAID} FROM person_record r JOIN update_state s USING (record_id)"
    ours = f"{states} WHERE s.source_id = :source_id AND s.state <> '{State.SUPERSEDED}' ORDER BY 1, 2, 3"
    return _rows(engine, ours, source_id)


def ledger(engine: sa.Engine, source_id: str) -> list[int]:
    query = "SELECT sequence FROM batch WHERE source_id = :source_id ORDER BY 1"
    return [sequence for (sequence,) in _rows(engine, query, source_id)]


def test_the_ledger_does_what_its_model_does(engine: sa.Engine, database_url: str) -> None:
    run_state_machine_as_test(
        type("LedgerHere", (Ledger,), {"engine": engine, "url": database_url}),
        settings=settings(
            max_examples=15,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
