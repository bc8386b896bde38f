"""The order of the whole suite on several workers: first what waits for whole sites, then what computes.

Tests of sites take a minute of waiting and some measure reaction times: they begin while nothing else wants the
processors, and none of them is left to one worker at the end.
"""

import os
from collections.abc import Iterator
from itertools import islice

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Behind the shuffling. Workers begin with equal parts of the list, each in its order (xdist, worksteal)."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting = sorted(filter(_waits, items), key=_turn)
    if workers == 1 or 2 * len(waiting) > len(items):
        return
    others = iter([item for item in items if not _waits(item)])
    ordered: list[pytest.Item] = []
    for worker, size in enumerate(_parts(len(items), workers)):
        ours = waiting[worker::workers]
        ordered += [*ours, *islice(others, size - len(ours))]
    items[:] = ordered


def _waits(item: pytest.Item) -> bool:
    """Those that share what takes long to make stay together."""
    return item.get_closest_marker("site") is not None and "installed" not in getattr(item, "fixturenames", ())


def _turn(item: pytest.Item) -> tuple[bool, float]:
    """What may take long begins early; campaigns, which compute most and measure no time, after what does."""
    timeout = item.get_closest_marker("timeout")
    return item.get_closest_marker("campaign") is not None, -timeout.args[0] if timeout else 0.0


def _parts(count: int, workers: int) -> Iterator[int]:
    """As xdist divides the list."""
    for left in range(workers, 0, -1):
        yield count // left
        count -= count // left
