"""Keeps edges and wires running: the only place that catches whatever a component raises.

A component that raises is logged once, alarmed, restarted with back-off, and set aside after three failures in
five minutes. A bug in the cycle, an owner or the writer is not caught here: it ends the process, and systemd
starts it again (R38).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from controller.clock import Clock

_log = logging.getLogger(__name__)

FAILURES = 3
WINDOW_S = 300.0
FIRST_PAUSE_S = 1.0
ASIDE_S = 600.0
"""What was set aside is tried again after this long: ten years are longer than most faults."""


class Supervised:
    """One component that may be restarted. `alarm` says what is wrong with it, None while all is well."""

    def __init__(self, name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self.name = name
        self.alarm: str | None = None
        self.running = False
        self._run = run
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)

    async def run(self) -> None:
        """Run it until this task is cancelled; what was set aside is tried again, seldom."""
        while True:
            aside = await self._fails_often()
            await asyncio.sleep(ASIDE_S if aside else FIRST_PAUSE_S * 2 ** (len(self._failures) - 1))
            self.alarm = None

    async def _fails_often(self) -> bool:
        self.running = True
        try:
            await self._run()
            reason = "it ended by itself"
        except asyncio.CancelledError:
            if _told_to_stop():
                raise
            reason = "it was cancelled from within"
        except Exception as error:
            _log.exception("%s failed", self.name)
            reason = f"{type(error).__name__}: {error}"
        finally:
            self.running = False
        self._failures.append(self._clock.mono())
        often = len(self._failures) == FAILURES and self._failures[-1] - self._failures[0] < WINDOW_S
        self.alarm = f"{self.name} {'is set aside' if often else 'was restarted'}: {reason}"
        return often


def _told_to_stop() -> bool:
    """A component that awaits something cancelled ends like one that is cancelled; only the latter may be quiet."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
