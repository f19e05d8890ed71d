"""The terminal as somebody types it, in this process."""

import contextlib
import io
import sys
from dataclasses import dataclass

from gateway.cli import main


@dataclass(frozen=True)
class Said:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


def lienthong(*words: object) -> Said:
    """`lienthong WORDS`."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["lienthong", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    else:
        code = 0
    finally:
        sys.argv = before
    return Said(code, out.getvalue(), err.getvalue())
