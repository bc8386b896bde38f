"""A point at which the process can be told to die, for tests of what survives.

`AMPYARD_KILL_AT_COMMIT="7:before"` sends SIGKILL to the process when its seventh commit has been prepared but not
made, `"7:after"` when it is durable but nobody has been told. Without that variable nothing here does anything.
"""

import os
import signal
from collections.abc import Mapping

VARIABLE = "AMPYARD_KILL_AT_COMMIT"


class FaultPoint:
    """Counts the commits of one writer.

    Raises:
        ValueError: the variable is set and is not of the form `N:before` or `N:after`, N from 1.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._commits = 0
        self._deadly: tuple[int, str] | None = None
        text = environment.get(VARIABLE, "")
        if text:
            number, _, where = text.partition(":")
            if not number.isdecimal() or int(number) < 1 or where not in {"before", "after"}:
                raise ValueError(f"{VARIABLE} is {text!r}, not N:before or N:after")
            self._deadly = int(number), where

    def before_commit(self) -> None:
        self._commits += 1
        self._pass("before")

    def after_commit(self) -> None:
        self._pass("after")

    def _pass(self, where: str) -> None:
        if self._deadly == (self._commits, where):
            os.kill(os.getpid(), signal.SIGKILL)
