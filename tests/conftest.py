"""The order of the suite: tests that wait for whole sites stand among those that compute, and none of them last."""

import os
from pathlib import Path

import pytest

SITE = Path(__file__).with_name("site")
SPREAD = 0.6
"""Over this part of each worker's share: one that takes a minute must not begin as the last."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers begin with equal parts of the list (xdist, worksteal), so each part gets its share of what waits."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting = [item for item in items if item.path.is_relative_to(SITE)]
    computing = [item for item in items if not item.path.is_relative_to(SITE)]
    items[:] = [
        item
        for worker in range(workers)
        for item in _spread(waiting[worker::workers], _part(computing, worker, workers))
    ]


def _part(items: list[pytest.Item], worker: int, workers: int) -> list[pytest.Item]:
    return items[len(items) * worker // workers : len(items) * (worker + 1) // workers]


def _spread(waiting: list[pytest.Item], computing: list[pytest.Item]) -> list[pytest.Item]:
    mixed: list[pytest.Item] = []
    pace = SPREAD * len(computing) / max(1, len(waiting))
    for place, item in enumerate(waiting):
        mixed += [item, *computing[int(place * pace) : int((place + 1) * pace)]]
    return mixed + computing[int(len(waiting) * pace) :]
