"""What `share_out` answers on random sites, bit by bit: `python -m tests.allocation.share_lines COUNT`.

Run where a `controller` lies, it shows what that one answers. The first line says whether it is compiled.
"""

import random
import sys
from dataclasses import replace

from controller.allocation.caps import Balance
from controller.allocation.compiled import is_compiled
from controller.allocation.request import Request
from controller.allocation.sharing import share_out
from drivers.api import Phases
from tests.bench.sites import Shape, Site, site

_URGENCIES = (0, 0, -1, 20, 100, 100)


def instance(seed: int) -> tuple[Site, tuple[Balance, ...]]:
    """2 to 120 EVSEs: tight, capped, mixed, of several priorities, pressed for time, balanced, in fine steps."""
    dice = random.Random(seed)
    one = site(
        seed,
        Shape(
            30 + seed % 91 if seed % 25 == 0 else 2 + seed % 13,
            tight=dice.choice((0.12, 0.5, 0.75, 0.9)),
            capped=seed % 3 == 0,
            plain=seed % 11 == 0,
            priorities=1 + seed % 3,
            mixed=seed % 4 == 0,
        ),
    )
    requests = list(one.requests)
    if seed % 5 == 1:
        requests = [replace(request, urgency=dice.choice(_URGENCIES)) for request in requests]
    if seed % 5 == 2:
        requests = [replace(request, step_ma=100) for request in requests]
    if seed % 7 == 2:
        return _balanced(dice, requests, one.room_ma)
    return Site(tuple(requests), one.room_ma), ()


def _balanced(
    dice: random.Random, requests: list[Request], room_ma: tuple[int, ...]
) -> tuple[Site, tuple[Balance, ...]]:
    """With a largest difference between the phases of the first circuit."""
    first = len(room_ma)
    base_ma = Phases(dice.randrange(20_000), dice.randrange(20_000), dice.randrange(20_000))
    balance = Balance(first, base_ma, 20_000)
    named = [
        replace(one, links=(*one.links, *(first + link for link in one.links if link < 3))) for one in requests
    ]
    return Site(tuple(named), (*room_ma, *balance.room([0, 0, 0]))), (balance,)


def lines(count: int) -> list[str]:
    found = ["compiled" if is_compiled() else "pure"]
    for seed in range(count):
        one, balances = instance(seed)
        for name, share in share_out(one.requests, one.room_ma, balances).items():
            given = f"{share.current_ma} {share.exact_ma.hex()} {share.admitted} {share.tight} {share.probation}"
            found.append(f"{seed} {name} {given}")
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(int(sys.argv[1]))) + "\n")
