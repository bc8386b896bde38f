"""A digital input behind a value file, as sysfs and many I/O modules show it."""

import asyncio
import os
import time

from drivers.api import Health, HealthChanged, SensorRead, Sink
from drivers.setups import FileSetup

PERIOD_S = 0.1
LEVELS = {b"0": 0, b"1": 1}
MOST = 16
"""Bytes that are looked at: a value file holds one digit."""


class FileInput:
    """Looks at the file ten times a second. What is neither 0 nor 1 is told as no value."""

    def __init__(self, setup: FileSetup, sink: Sink) -> None:
        self._setup, self._sink = setup, sink
        self._health = Health.UNKNOWN

    @property
    def id(self) -> str:
        return self._setup.id

    async def run(self) -> None:
        """Until cancelled; a file that is not there is tried again."""
        while True:
            self._look()
            await asyncio.sleep(PERIOD_S)

    def _look(self) -> None:
        now_s = time.monotonic()
        try:
            content = _content(self._setup.path)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            self._set_health(Health.LOST, f"cannot be read: {error}")
            return
        level = LEVELS.get(content)
        if level is None:
            self._set_health(Health.LOST, f"{self._setup.path} shows neither 0 nor 1")
        else:
            self._set_health(Health.OK, "answers")
        self._sink(SensorRead(self.id, level, now_s))

    def _set_health(self, health: Health, text: str) -> None:
        if health is not self._health:
            self._health = health
            self._sink(HealthChanged(self.id, health, text, time.monotonic()))


def _content(path: str) -> bytes:
    """Without waiting, whatever the path turns out to be."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(handle, MOST).strip()
    finally:
        os.close(handle)
