"""A share of memory that all pushes take from: who finds it empty waits, and its sender with it."""

import asyncio


class ByteBudget:
    """So many bytes may be held at once. One holding is never refused for its size alone, only made to wait."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._left = total
        self._changed = asyncio.Condition()

    async def take(self, size: int) -> int:
        """Wait until there is room for `size` bytes; return how many were taken, to be given back."""
        taken = min(size, self._total)
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= taken)
            self._left -= taken
        return taken

    async def give_back(self, taken: int) -> None:
        """Give back what `take` returned."""
        async with self._changed:
            self._left += taken
            self._changed.notify_all()
