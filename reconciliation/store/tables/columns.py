"""What every table is made of: its columns, which say whether they hold data about a person, and its closed sets."""

from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import ischema_names

from reconciliation.model import CaseKind, Decision, OutcomeKind, State, SubmissionVerdict, TouchKind

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

SQL_TYPES: dict[pa.DataType, sa.types.TypeEngine[Any]] = {
    pa.string(): sa.Text(),
    pa.int8(): sa.SmallInteger(),
    pa.int16(): sa.SmallInteger(),
    pa.int32(): sa.Integer(),
    pa.int64(): sa.BigInteger(),
    pa.date32(): sa.Date(),
}


class Xid8(sa.types.UserDefinedType[int]):
    """A 64-bit transaction id. It orders commits only together with a snapshot's horizon, see store/feed.py."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


ischema_names["xid8"] = Xid8  # so that a schema read back from the database knows it


def plain(name: str, kind: sa.types.TypeEngine[Any] | type, *args: object, **options: object) -> sa.Column[Any]:
    """A column without personal data. Not null unless said otherwise."""
    options.setdefault("nullable", False)
    return sa.Column(name, kind, *args, info={"personal": False}, **options)  # type: ignore[arg-type]


def personal(name: str, kind: sa.types.TypeEngine[Any] | type, **options: object) -> sa.Column[Any]:
    """A column that holds data about a person: never logged, never shown unmasked by default."""
    return sa.Column(name, kind, info={"personal": True}, **options)  # type: ignore[arg-type]


def closed_set(
    column: str, values: type[State | CaseKind | Decision | OutcomeKind | SubmissionVerdict | TouchKind]
) -> sa.CheckConstraint:
    """A constraint that `column` holds one of the enum's values."""
    return sa.CheckConstraint(sa.column(column).in_([sa.literal_column(f"'{value}'") for value in values]), name=column)
