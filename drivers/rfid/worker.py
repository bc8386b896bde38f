"""Threads for calls into a library that blocks, and may block for ever."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from drivers.api import DeviceError, Fault

T = TypeVar("T")


class Worker:
    """One call at a time. While one does not return there is no other, so that threads do not pile up.

    The end of the process does not wait for a thread, as it would for those of an executor.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle = asyncio.Event()
        self._idle.set()
        self._last: Callable[[], None] | None = None

    async def call(self, act: Callable[[], T], within_s: float) -> T:
        """What the call returns.

        Raises:
            DeviceError: what the call raises; TIMEOUT, it has not returned, or one before it has not.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
                return await self._begin(act)
        except TimeoutError:
            raise DeviceError(Fault.TIMEOUT, f"{self._name}: no answer within {within_s:g} s") from None

    def afterwards(self, act: Callable[[], None]) -> None:
        """Call it when the one under way has returned; nobody waits for it."""
        if self._idle.is_set():
            self._begin(act)
        else:
            self._last = act

    def _begin(self, act: Callable[[], T]) -> "asyncio.Future[T]":
        self._idle.clear()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        work = partial(self._work, act, asyncio.get_running_loop(), answer)
        threading.Thread(target=work, name=self._name, daemon=True).start()
        return answer

    def _work(self, act: Callable[[], T], loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]") -> None:
        outcome: T | DeviceError = DeviceError(Fault.DATA, f"{self._name}: the library failed")
        try:
            outcome = act()
        except DeviceError as error:
            outcome = error
        finally:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._ended, answer, outcome)

    def _ended(self, answer: "asyncio.Future[T]", outcome: T | DeviceError) -> None:
        self._idle.set()
        last, self._last = self._last, None
        if last is not None:
            self._begin(last)
        if answer.cancelled():
            return
        if isinstance(outcome, DeviceError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
