"""`python -m tests.site.hurried SCALE COMMAND...`: the controller, for which time passes SCALE times as fast.

For what takes minutes and needs no exact wire: the monotonic clock and all waits of the event loop are scaled, and
the controller has no other clock. Wires, disk and processor are as slow as ever, so that they look SCALE times
slower; serial lines fail at that. The simulator is to run at the same scale.
"""

import selectors
import sys
import time
from importlib import import_module

import pytest


class Hurried(selectors.DefaultSelector):
    scale = 1.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / self.scale)


def main() -> None:
    Hurried.scale = float(sys.argv[1])
    real_s = time.monotonic
    patch = pytest.MonkeyPatch()
    patch.setattr(time, "monotonic", lambda: real_s() * Hurried.scale)
    patch.setattr(selectors, "DefaultSelector", Hurried)
    sys.argv[1:] = sys.argv[2:]
    import_module("controller.cli").main()


if __name__ == "__main__":
    main()
