"""Whose turn it is among those who came one after the other and are made ready side by side."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """A line of those who came and are not done. Who is done before its turn lets nobody pass those before it."""

    def __init__(self) -> None:
        self._line: deque[Turn] = deque()

    def join(self) -> "Turn":
        """A place at the end of the line."""
        turn = Turn(self._go_on)
        self._line.append(turn)
        self._go_on()
        return turn

    def _go_on(self) -> None:
        while self._line and self._line[0].is_done:
            self._line.popleft()
        if self._line:
            self._line[0].has_come.set()


class Turn:
    """One place in the line: `has_come` once all before it are done."""

    def __init__(self, go_on: Callable[[], None]) -> None:
        self.has_come = asyncio.Event()
        self.is_done = False
        self._go_on = go_on

    def end(self) -> None:
        """Be done, whether the turn has come or not; again is nothing."""
        self.is_done = True
        self._go_on()
