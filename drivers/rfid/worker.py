"""Threads for calls into a library that blocks, and may block for ever."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from drivers.api import DeviceError, Fault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    act: Callable[[], T]
    unwanted: Callable[[T], None] | None
    answer: "asyncio.Future[T]"


class Worker:
    """One call at a time. While one does not return there is no other, so that threads do not pile up.

    The end of the process does not wait for a thread, as it would for those of an executor.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle = asyncio.Event()
        self._idle.set()
        self._later: deque[Callable[[], None]] = deque()

    async def call(
        self, act: Callable[[], T], within_s: float, *, unwanted: Callable[[T], None] | None = None
    ) -> T:
        """What the call returns. Where that comes when nobody waits any more, `unwanted` is called with it.

        Raises:
            DeviceError: what the call raises; TIMEOUT, it has not returned, or one before it has not.
        """
        try:
            async with asyncio.timeout(within_s):
                while not self._idle.is_set():
                    await self._idle.wait()
                return await self._begin(act, unwanted)
        except TimeoutError:
            raise DeviceError(Fault.TIMEOUT, f"{self._name}: no answer within {within_s:g} s") from None

    def afterwards(self, act: Callable[[], None]) -> None:
        """Call it when the one under way has returned; nobody waits for it."""
        if self._idle.is_set():
            self._begin(act)
        else:
            self._later.append(act)

    def _begin(self, act: Callable[[], T], unwanted: Callable[[T], None] | None = None) -> "asyncio.Future[T]":
        self._idle.clear()
        loop = asyncio.get_running_loop()
        call = _Call(act, unwanted, loop.create_future())
        threading.Thread(target=partial(self._work, call, loop), name=self._name, daemon=True).start()
        return call.answer

    def _work(self, call: _Call[T], loop: asyncio.AbstractEventLoop) -> None:
        outcome: T | DeviceError = DeviceError(Fault.DATA, f"{self._name}: the library failed")
        try:
            outcome = call.act()
        except DeviceError as error:
            outcome = error
        finally:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._ended, call, outcome)

    def _ended(self, call: _Call[T], outcome: T | DeviceError) -> None:
        if isinstance(outcome, DeviceError):
            if not call.answer.cancelled():
                call.answer.set_exception(outcome)
        elif not call.answer.cancelled():
            call.answer.set_result(outcome)
        elif call.unwanted is not None:
            self._later.append(partial(call.unwanted, outcome))
        if self._later:
            self._begin(self._later.popleft())
        else:
            self._idle.set()
