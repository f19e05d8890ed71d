"""Questions about two records of the store: why they are one person or not, and what joining them would change."""

import json
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from reconciliation.candidates import RECORDS
from reconciliation.entitlements import read_grants
from reconciliation.errors import RejectedRequestError
from reconciliation.lifecycle import VIETNAM
from reconciliation.matching import (
    FatalPostingsError,
    Match,
    Matcher,
    Neighbour,
    match,
    matcher,
    read_record,
    unsigned,
)
from reconciliation.pipeline import linkage_pool
from reconciliation.previewing import Preview, preview
from reconciliation.standing import Standing
from reconciliation.store import postings, reconciling, rehearsals
from reconciliation.store.engine import Connection, Engine
from reconciliation.weighing import RecordPair, Weighed, weigh
from reconciliation.weights import Model, model_of

_NEW = "new|"  # a record that nobody has sent


def why(engine: Engine, pair: RecordPair, *, now: datetime, models: Path | None = None) -> Weighed:
    """The pair, weighed in the pool of its province by the model that a run there uses. Reads only.

    Raises RejectedRequestError UPDATE_UNKNOWN when the two do not stand in one province or are no records of people.
    """
    province_code, standing = _standing(engine, pair)
    as_of = now.astimezone(VIETNAM).date()
    records = linkage_pool(standing, province_code=province_code, as_of=as_of)
    weighed = weigh(records, pair, model=model_of(province_code, models))
    if weighed is None:
        raise _apart()
    return weighed


def preview_merge(engine: Engine, pair: RecordPair, *, now: datetime, models: Path | None = None) -> Preview:
    """What it would change to hold the two for one person; nothing is written. Raises as `why`."""
    province_code, standing = _standing(engine, pair)
    as_of = now.astimezone(VIETNAM).date()
    model = model_of(province_code, models)
    return preview(standing, pair, province_code=province_code, model=model, as_of=as_of, grants=read_grants())


def read_one(text: str) -> pa.Table:
    """One record from JSON: an object of the columns of candidates.RECORDS, those it does not name being unknown.

    Raises RejectedRequestError FIELD_INVALID when it is no such object.
    """
    try:
        said = json.loads(text)
        if not isinstance(said, dict) or set(said) - set(RECORDS.names):
            raise _no_record()
        return pa.Table.from_pylist([{"record_key": _NEW, "source_id": _NEW, **said}], schema=RECORDS)
    except (ValueError, pa.ArrowException) as error:
        raise _no_record() from error


def _no_record() -> RejectedRequestError:
    return RejectedRequestError(
        "FIELD_INVALID",
        "This is no record of a person.",
        next_step=f"give one JSON object; it may say {', '.join(RECORDS.names)}.",
    )


def match_one(
    engine: Engine, record: pa.Table, model: Model, *, province_code: str, ready: Matcher | None = None
) -> list[Match]:
    """The records of a province that may be the same as one (candidates.RECORDS), the heaviest first. Reads only.

    The record may stand there already: it is never its own candidate. Whoever asks often keeps a matcher `ready`, made
    of the same model. Raises FatalPostingsError when linkage keeps nothing of the province, or of another release.
    """
    with ExitStack() as held:
        asking = ready or held.enter_context(matcher(model))
        with engine.connect() as connection:
            return match_with(connection, record, asking, province_code=province_code)


def match_with(connection: Connection, record: pa.Table, asking: Matcher, *, province_code: str) -> list[Match]:
    """As `match_one`, on a connection that is open."""
    read, linkage = read_record(asking, record), asking.linkage
    answer = postings.find(
        connection,
        postings.Asked(
            province_code=province_code,
            record_key=read.record_key,
            keys=read.keys,
            caps=[rule.cap for rule in linkage.rules],
            home=read.home,
            member=read.member,
            homes=linkage.homes,
            kinds=[kind for kind, _ in read.tallied],
            tallied=[key for _, key in read.tallied],
        ),
    )
    if (answer.fingerprint or "").partition(":")[0] != asking.fingerprint:
        raise FatalPostingsError(
            f"province {province_code}: no postings of this release. Next: run `lienthong job reconcile_records`."
        )
    return match(
        asking,
        read,
        [Neighbour(**vars(one)) for one in answer.found],
        tallies={kind: {unsigned(key): of for key, of in one.items()} for kind, one in answer.tallies.items()},
        home_size=answer.home_size,
        mates=answer.mates,
    )


def _standing(engine: Engine, pair: RecordPair) -> tuple[str, Standing]:
    with rehearsals.reading(engine) as connection:
        provinces = reconciling.provinces_of(connection, [pair.left, pair.right])
        if len(provinces) != 1 or pair.left == pair.right:
            raise _apart()
        return provinces[0], reconciling.read(connection, provinces[0])


def _apart() -> RejectedRequestError:
    return RejectedRequestError(
        "UPDATE_UNKNOWN",
        "These are not two records of people in one province.",
        next_step="name them as in the evidence of a case: source_id|source_record_id.",
    )
