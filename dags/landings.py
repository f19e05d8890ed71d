"""The trigger behind `reconcile_records`: lets the doorbell look every few seconds, in the triggerer.

It asks rather than waiting to be told, so nothing is missed while the scheduler, the database or the schedule stood
still. What it passes on are codes of provinces; the run asks again for itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dags import doorbell


class BatchesLanded(BaseEventTrigger):
    """Fires with the codes of the provinces that have something to reconcile."""

    def __init__(self, look_seconds: float = 2.0, again_seconds: float = 15.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow left this one bare
        self.look_seconds = look_seconds
        self.again_seconds = again_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where this class is found and how to make it again; no address, no secret."""
        settings = {"look_seconds": self.look_seconds, "again_seconds": self.again_seconds}
        return "dags.landings.BatchesLanded", settings

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until cancelled."""
        bell = await asyncio.to_thread(doorbell.on_registry, again_seconds=self.again_seconds)
        while True:
            began = time.monotonic()
            provinces = await asyncio.to_thread(bell.look, began)
            wait = doorbell.pause(self.look_seconds, took_seconds=time.monotonic() - began)
            if provinces:
                yield TriggerEvent({"provinces": provinces})  # type: ignore[no-untyped-call]
            await asyncio.sleep(wait)
