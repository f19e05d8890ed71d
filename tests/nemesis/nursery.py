"""`python -m tests.nemesis.nursery`: has imported all that a gateway needs, and forks one for each line it reads.

A gateway that starts from nothing imports for two seconds and a half. What is forked is `python -m gateway` from there
on: a process of its own with its own environment, to be killed and stopped. All end when standard input does.
"""

import json
import os
import signal
import sys
from pathlib import Path

from adapters import catalogue
from adapters.normalise import normalise_rows
from gateway import __main__ as gateway
from gateway.typed import as_typed, read_typed
from tests.gateway.batches import EXPORTED_ON
from tests.nemesis.plan import SOURCES, draw, payload
from tests.nemesis.sabotage import SABOTAGES


def main() -> None:
    """A line in, `{"environment": {…}, "sabotage": name or null, "log": path}`; a line out, the process's number."""
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: who has ended is gone
    born: list[int] = []
    for line in sys.stdin:
        wish = json.loads(line)
        if (pid := os.fork()) == 0:
            _live(wish)
        born.append(pid)
        print(pid, flush=True)  # noqa: T201 - the protocol
    for pid in born:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _warm_up() -> None:
    """Normalise one batch: the first one of a process takes half a second, all the others some milliseconds."""
    source = catalogue.load().sources[SOURCES[0]]
    first = next(parcel for parcel in draw(1).parcels() if parcel.entries)
    rows = read_typed(payload(first), kind=source.kind)
    normalise_rows(rows, source=as_typed(source), exported_on=EXPORTED_ON)


def _live(wish: dict[str, object]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(Path(str(wish["log"])), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, theirs)
    environment = wish["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    if name := wish["sabotage"]:
        SABOTAGES[str(name)]()
    os._exit(gateway.main())


if __name__ == "__main__":
    main()
