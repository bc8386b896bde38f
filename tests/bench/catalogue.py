"""Which benchmarks there are. Each is imported only when it runs: a missing peer costs only its own rows."""

import importlib
import importlib.util
from collections.abc import Mapping

from tests.bench.rows import Bench, PeerMissingError

Catalogue = Mapping[str, tuple[str, ...]]

CATALOGUE: Catalogue = {
    "allocation": (
        "tests.bench.allocation_cost:run",
        "tests.bench.allocation_optimum:run",
        "tests.bench.allocation_openwb:run",
        "tests.bench.allocation_robin:run",
    ),
    "loop": ("tests.bench.loop:run",),
    "days": ("tests.bench.days:run",),
    "bus": ("tests.bench.bus:run",),
    "overload-rtu": ("tests.bench.whole_overload:run_rtu",),
    "overload-tcp": ("tests.bench.whole_overload:run_tcp",),
    "card": ("tests.bench.whole_card:run",),
    "can": ("tests.bench.can_bus:run",),
}
"""By name the parts of a benchmark, as module:function."""


def load(part: str) -> Bench:
    """The function.

    Raises:
        PeerMissingError: the module, or one that it needs, is not there.
    """
    module, _, function = part.partition(":")
    try:
        found: Bench = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as missing:
        raise PeerMissingError(f"no module {missing.name}") from missing
    return found
