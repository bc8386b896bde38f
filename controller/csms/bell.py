"""Waking one sleeping task early."""

import asyncio


class Bell:
    """Remembers a ring until the next wait, so that none is lost between two."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float | None) -> bool:
        """True if it rang, False after `timeout_s`; None waits for ever."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
