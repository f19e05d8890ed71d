"""Groups against a model: sent together, sent again or put off, each request is applied once, in its order."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import grouping, workers
from gateway.errors import Reason, RejectedCallError
from gateway.failpoints import Failpoints
from gateway.lanes import Lanes
from gateway.submitting import Submitter
from gateway.v1 import records_pb2
from gateway.wire.online import Update
from reconciliation.errors import RetryableStoreError
from reconciliation.model import SubmissionAnswer
from reconciliation.store.engine import connect
from tests.gateway.conftest import NOW, free_port
from tests.gateway.updates import person, update

_examples = itertools.count()


@pytest.fixture
def submitter(engine: sa.Engine) -> Iterator[Submitter]:
    """What collects updates, on the test's own database."""
    pools = workers.start(engine, store_threads=2, column_threads=1)
    yield Submitter(Lanes(1_000, 1_000), pools, lambda: NOW, Failpoints(None))
    pools.shutdown()


def submitted(submitter: Submitter, updates: Sequence[Update]) -> list[SubmissionAnswer | BaseException]:
    """The answers to updates that were all sent at once, in this order."""

    async def run() -> list[SubmissionAnswer | BaseException]:
        return await asyncio.gather(*map(submitter.submit, updates), return_exceptions=True)

    return asyncio.run(run())


@dataclass
class Model:
    """Requests applied one after the other."""

    heads: dict[str, tuple[int, str]] = field(default_factory=dict)  # version and name that stand
    answers: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    versions: int = 0

    def apply(self, name: str, key: str, *, version: int, called: str, record: bytes) -> str:
        """The verdict, or the reason of the refusal."""
        if name in self.answers:
            before, verdict = self.answers[name]
            return verdict if before == record else "IDEMPOTENCY_KEY_REUSED"
        standing = self.heads.get(key)
        is_old = standing is not None and (standing[0] > version or standing == (version, called))
        verdict = "superseded" if is_old else "accepted"
        if not is_old:
            self.heads[key] = (version, called)
        self.versions += 1
        self.answers[name] = (record, verdict)
        return verdict


sent = st.tuples(
    st.sampled_from("abcdefgh"),  # request
    st.sampled_from("XYZ"),  # whose record
    st.integers(0, 2),  # version
    st.sampled_from(["Lò", "Sùng"]),  # its content
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(sent, min_size=1, max_size=8), min_size=1, max_size=4))
def test_any_grouping_equals_one_request_after_the_other(
    submitter: Submitter, engine: sa.Engine, groups: list[list[tuple[str, str, int, str]]]
) -> None:
    example, model = next(_examples), Model()
    expected, found = [], []
    for group in groups:
        updates = []
        for name, whose, version, called in group:
            key = f"{example}-{whose}"
            record = person(key, version=version, full_name=called)
            updates.append(update((example, name), record))
            expected.append(model.apply(name, key, version=version, called=called, record=record))
        found += submitted(submitter, updates)

    verdicts = [
        answer.verdict.value if isinstance(answer, SubmissionAnswer) else str(getattr(answer, "reason", answer))
        for answer in found
    ]
    assert verdicts == expected
    with engine.connect() as connection:
        standing = connection.execute(
            sa.text(
                "SELECT h.source_record_id, full_name FROM record_head h JOIN person_record USING (record_id)"
                " WHERE h.source_record_id LIKE :mine"
            ),
            {"mine": f"{example}-%"},
        )
        assert dict(iter(standing)) == {key: called for key, (_, called) in model.heads.items()}
        versions = connection.scalar(
            sa.text("SELECT count(*) FROM person_record WHERE source_record_id LIKE :mine"), {"mine": f"{example}-%"}
        )
    assert versions == model.versions
    firsts = [answer for answer in found if isinstance(answer, SubmissionAnswer) and not answer.replayed]
    assert len(firsts) == len(model.answers)


def test_of_two_versions_of_a_record_the_later_one_goes_into_the_next_group(
    submitter: Submitter, engine: sa.Engine
) -> None:
    updates = [update(n, person("T1" if n < 3 else f"T{n}", full_name=f"Lò {n}")) for n in range(6)]

    answers = submitted(submitter, updates)

    assert all(isinstance(answer, SubmissionAnswer) for answer in answers)
    with engine.connect() as connection:
        received = list(connection.scalars(sa.text("SELECT received FROM batch ORDER BY batch_id")))
        names = list(
            connection.scalars(
                sa.text("SELECT full_name FROM person_record WHERE source_record_id = 'T1' ORDER BY record_id")
            )
        )
    assert received == [4, 1, 1]
    assert names == ["Lò 0", "Lò 1", "Lò 2"]


def test_what_is_said_of_a_row_does_not_depend_on_its_neighbours(submitter: Submitter) -> None:
    head = {"household_number": "110000001", "relation_to_head": "chủ hộ"}

    answers = submitted(submitter, [update(n, person(f"T{n}", **head)) for n in range(2)])

    assert [answer.findings for answer in answers if isinstance(answer, SubmissionAnswer)] == [(), ()]


def test_a_record_that_breaks_the_code_is_found_by_halves(
    submitter: Submitter, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, tried = grouping.read_joined, []

    def breaking(payload: bytes, **options: object) -> object:
        tried.append(len(payload))
        if b"T13" in payload:
            raise ZeroDivisionError
        return whole(payload, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(grouping, "read_joined", breaking)

    answers = submitted(submitter, [update(n, person(f"T{n}")) for n in range(32)])

    assert [n for n, answer in enumerate(answers) if isinstance(answer, ZeroDivisionError)] == [13]
    assert sum(isinstance(answer, SubmissionAnswer) for answer in answers) == 31
    assert len(tried) == 12  # the whole, on the loop and on the thread, and two halves five times


def test_while_the_store_is_away_all_who_wait_are_told(submitter: Submitter) -> None:
    nowhere = connect(f"postgresql+psycopg://postgres@127.0.0.1:{free_port()}/none", pool_size=1)
    pools = workers.start(nowhere, store_threads=1, column_threads=1)
    away = Submitter(Lanes(1_000, 1_000), pools, lambda: NOW, Failpoints(None))
    updates = [
        update(n, person(f"T{n}"), source_id=source_id)
        for n, source_id in enumerate(("lao-cai.population", "yen-bai.population") * 5)
    ]

    answers = submitted(away, updates)
    pools.shutdown()
    again = submitted(submitter, updates)

    assert all(isinstance(answer, RetryableStoreError) for answer in answers)
    assert all(isinstance(answer, SubmissionAnswer) and not answer.replayed for answer in again)


def test_sources_of_one_group_get_a_batch_each(submitter: Submitter, engine: sa.Engine) -> None:
    sources = ("lao-cai.population", "yen-bai.population")

    answers = submitted(submitter, [update(n, person(f"T{n}"), source_id=sources[n % 2]) for n in range(8)])

    rows = [answer.row for answer in answers if isinstance(answer, SubmissionAnswer)]
    assert rows == [0, 0, 1, 1, 2, 2, 3, 3]
    with engine.connect() as connection:
        assert dict(iter(connection.execute(sa.text("SELECT source_id, received FROM batch")))) == dict.fromkeys(
            sources, 4
        )


def test_sources_of_one_group_keep_their_keys_and_findings_apart(submitter: Submitter, engine: sa.Engine) -> None:
    sources = ("lao-cai.population", "yen-bai.population", "ha-noi.household")
    broken = {1: person("T0", sex=99), 4: person("")}
    updates = [
        update(n, broken.get(n, person(f"T{n // 2}")), source_id=sources[n % 2])  # T0, T1 … come from both
        for n in range(8)
    ]
    household = records_pb2.HouseholdRecord(source_record_id="T0", head_name="Giàng A Páo", unit_code="00004")
    updates.append(update(8, household.SerializeToString(), source_id=sources[2]))
    updates.append(update(9, person("T0", version=1), source_id=sources[0]))  # the next version goes after the first

    answers = [one for one in submitted(submitter, updates) if isinstance(one, SubmissionAnswer)]

    assert len(answers) == 10
    verdicts = [answer.verdict.value for answer in answers]
    assert [n for n, verdict in enumerate(verdicts) if verdict != "accepted"] == [4]
    said = {n: [(one.row, one.code) for one in answer.findings] for n, answer in enumerate(answers) if answer.findings}
    assert said == {1: [(0, "CODE_UNKNOWN")], 4: [(2, "KEY_MISSING")]}
    assert answers[9].receipt_id != answers[0].receipt_id
    with engine.connect() as connection:
        heads = connection.execute(sa.text("SELECT source_id, source_record_id FROM record_head ORDER BY 1, 2")).all()
    assert [tuple(head) for head in heads] == [
        ("ha-noi.household", "T0"),
        *(("lao-cai.population", key) for key in ("T0", "T1", "T3")),
        *(("yen-bai.population", key) for key in ("T0", "T1", "T2", "T3")),
    ]


def test_a_request_reused_in_one_group_is_refused_and_the_first_one_stands(submitter: Submitter) -> None:
    answers = submitted(submitter, [update("a", person("T1")), update("a", person("T2"))])

    assert isinstance(answers[0], SubmissionAnswer)
    assert isinstance(answers[1], RejectedCallError)
    assert answers[1].reason is Reason.IDEMPOTENCY_KEY_REUSED
