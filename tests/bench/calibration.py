"""A piece of pure Python work by which absolute times of different machines can be compared.

It does what the allocator does (integers, lists, dicts, comparisons), takes about 50 ms on a machine of 2024, and
is never changed: figures of old releases are multiples of it.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

_ROUNDS = 360
_CELLS = 1000


def work() -> int:
    """A checksum, so that nothing of it can be left out."""
    cells = [(7919 * place) % _CELLS for place in range(_CELLS)]
    counts: dict[int, int] = {}
    total = 0
    for turn in range(_ROUNDS):
        for place in range(_CELLS):
            value = cells[place]
            left = cells[value] - turn
            if left > value:
                cells[place] = left - value
            counts[value] = counts.get(value, 0) + left
        total += sum(counts.values()) % 1009
    return total


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection inside, as in the product's cycle, which collects in its idle time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def measure(repeats: int = 9) -> float:
    """Seconds of processor time of the median run."""
    times = []
    with quiet():
        for _ in range(repeats):
            begin = time.thread_time()
            work()
            times.append(time.thread_time() - begin)
    return sorted(times)[repeats // 2]
