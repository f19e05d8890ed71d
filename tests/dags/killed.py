"""A process that reconciles as a task does, in children of its own, and lets one kill itself at a statement chosen.

One line of JSON an order: {"url", "province_code", "now", "kill_at"}; with `kill_at` 0 the child ends well. The answer
says how it ended and how many statements and commits it began. What it imports is paid for once.
"""

import json
import os
import signal
import sys
from datetime import datetime
from typing import Any, NoReturn

import sqlalchemy as sa

from dags import running
from reconciliation import jobs


def serve() -> None:
    """Do the orders of standard input."""
    assert jobs.reconcile_records, "loaded here, before a child is made and before anything has threads"
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            work(order, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as counted:
            begun = len(counted.read())
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "begun": begun}) + "\n")
        sys.stdout.flush()


def work(order: dict[str, Any], counting: int) -> NoReturn:
    """Reconcile and balance; never returns."""
    begun = 0

    def count(*_: object, **__: object) -> None:
        nonlocal begun
        begun += 1
        if begun == order["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(counting, b".")

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    sa.event.listen(sa.Engine, "commit", count)
    os.environ["LIENTHONG_DATABASE_URL"] = order["url"]
    code = 1
    try:
        running.reconcile(order["province_code"], now=datetime.fromisoformat(order["now"]))
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
