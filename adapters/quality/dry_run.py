"""What would become of a file: rows, findings, columns, units and the seven words, without landing anything. Pure.

A file is taken in chunks, each counted and let go of, so that its size does not matter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce

import numpy as np
import pyarrow as pa

from adapters.catalogue import Source
from adapters.findings import CATALOGUE, Severity
from adapters.quality.scoring import Counts, Score, scores
from adapters.quality.tallying import Part, count
from adapters.readers.chunks import Chunk
from adapters.reference.resolve import Outcome
from adapters.vintage import Verdict, VintageJudgement, judge_vintage

# What a value was rewritten for, though its text says the same.
REPAIRS = frozenset(
    {"LEADING_ZERO_RESTORED", "DSTROKE_REPLACED", "COMPOSED", "CASE_RESTORED", "SPACES_COLLAPSED", "CENTURY_ASSUMED"}
)
# On these the records are not read by the declared list: look before sending.
ALARMING = frozenset({Verdict.CONTRADICTED, Verdict.MIXED})
_JUDGED_ROWS = 1_000_000
_HERE = timedelta(hours=7)  # Vietnam keeps UTC+7 all year
_MERGER = date(2025, 7, 1)
_SETTLED = frozenset({Outcome.CURRENT, Outcome.RETIRED})


@dataclass(frozen=True)
class DryRun:
    """The dry run of one file of one source. `as_of` is the day whose units were asked for."""

    source: Source
    exported_on: date
    as_of: date
    counted: Part
    vintage: VintageJudgement
    scores: tuple[Score, ...]

    @property
    def usable(self) -> int:
        """Rows that would be taken."""
        return self.counted.received - self.counted.quarantined

    @property
    def repeated(self) -> int:
        """Rows whose key an earlier row of the file has; estimated beyond 65,536 distinct keys."""
        return max(0, self.counted.keyed - self.counted.keys.count)

    @property
    def off_list(self) -> int:
        """Rows whose code the declared list does not have; without a declaration, those that no list has."""
        return _off_list(self.vintage, self.source.unit_vintage(self.exported_on))

    @property
    def has_findings(self) -> bool:
        """Whether there is anything to mend: an error, a warning, or codes of another list. A lawful repair is none."""
        if self.vintage.verdict in ALARMING:
            return True
        return any(CATALOGUE[code].severity is not Severity.INFO for _, code in self.counted.findings)

    def placed(self) -> Mapping[Outcome, int]:
        """Usable rows by what became of their unit."""
        by_outcome = Counter[Outcome]()
        for (outcome, _), rows in self.counted.units.items():
            by_outcome[Outcome(outcome)] += rows.count
        return by_outcome


def dry_run(chunks: Iterable[Chunk], *, source: Source, exported_on: date, as_of: date) -> DryRun:
    """The dry run of the chunks of one file, in order; each is let go of before the next is asked for."""
    counted = reduce(
        Part.merge, (count(one, source=source, exported_on=exported_on, as_of=as_of) for one in chunks), Part()
    )
    vintage = _judged(counted.unit_codes, source, exported_on)
    return DryRun(
        source=source,
        exported_on=exported_on,
        as_of=as_of,
        counted=counted,
        vintage=vintage,
        scores=scores(
            _counts(counted, source, vintage, source.unit_vintage(exported_on)),
            exported_on=exported_on,
            cadence=source.cadence,
        ),
    )


def _counts(counted: Part, source: Source, vintage: VintageJudgement, declared: date | None) -> Counts:
    required = [counted.column(name) for name in source.dialect.required_columns]
    mapped = [counted.column(name) for mapping in source.dialect.mappings for name in mapping.sources]
    repairs = [rows.count for (_, code), rows in counted.findings.items() if code in REPAIRS]
    placed = [rows.count for (outcome, _), rows in counted.units.items() if outcome in _SETTLED]
    return Counts(
        received=counted.received,
        usable=counted.received - counted.quarantined,
        doubtful=counted.doubtful,
        unclean=counted.unclean,
        repeated=max(0, counted.keyed - counted.keys.count - _repeats_held_back(counted)),
        cells=sum(one.rows for one in required),
        filled=sum(one.filled for one in required),
        values=sum(one.filled for one in mapped),
        repaired=min(sum(repairs), sum(one.filled for one in mapped)),
        unit_codes=sum(counted.unit_codes.values()),
        off_list=_off_list(vintage, declared),
        numbered=counted.numbered,
        placed=sum(placed),
        newest=None if counted.newest is None else (datetime.fromtimestamp(counted.newest, UTC) + _HERE).date(),
        has_versions=source.dialect.mapping_to("source_version") is not None,
    )


def _repeats_held_back(counted: Part) -> int:
    """Repeated keys within a chunk are quarantined already, and count once."""
    return sum(rows.count for (_, code), rows in counted.findings.items() if code == "DUPLICATE_IN_BATCH")


def _judged(codes: Mapping[str, int], source: Source, exported_on: date) -> VintageJudgement:
    """The judgement of the whole column; of a very long one, of a million rows in its proportions."""
    total = sum(codes.values())
    shrunk = {
        code: max(1, rows * _JUDGED_ROWS // total) if total > _JUDGED_ROWS else rows for code, rows in codes.items()
    }
    column = np.repeat(np.arange(len(codes)), list(shrunk.values()) or [0])
    return judge_vintage(
        pa.array(list(codes), pa.string()).take(pa.array(column)),
        declared=source.unit_vintage(exported_on),
        exported_on=exported_on,
        province_code=source.province_code,
    )


def _off_list(vintage: VintageJudgement, declared: date | None) -> int:
    """Codes that the declared list does not have; without a declaration, those that no list has."""
    match declared:
        case None:
            return vintage.neither
        case day if day < _MERGER:
            return vintage.neither + vintage.only_new
        case _:
            return vintage.neither + vintage.only_old
