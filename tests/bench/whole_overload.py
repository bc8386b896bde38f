"""The whole controller: from an over-current in a 10 Hz meter to the last setpoint acknowledged, RTU and TCP.

The building's load climbs in steps that push the circuit above its rating by one to four percent; before each step
the chargers use all that is left. When they are near their minimum it falls back, and they are raised again.
"""

import math
import queue
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from tests.bench.progress import steps
from tests.bench.rows import Options, Row
from tests.bench.timing import quantile
from tests.bench.whole_site import SiteSettings, Whole, rtu, tcp, whole_site

SITES = 2
"""As many equal sites at once, so that the steps do not take twice the time."""
STEPS, MANY_STEPS = 60, 240
BETWEEN_S = {"rtu": (3.0, 4.0), "tcp": (2.5, 3.5)}
"""Long enough that the chargers have been read since the cars have followed."""
WITHIN_S = 2.0
TAP_S = 0.6
OVER = (0.005, 0.02)
"""How far a step pushes the circuit above its rating, of the rating."""
USABLE_SHARE = 0.98
LOWEST_A = 7.5
"""Of a charger's offer: below it no further step is taken."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one step took, in seconds, and how many were thrown away before it because a slave was held up."""

    took_s: float
    below_s: float
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """One row: a site and its bounds in milliseconds."""

    name: str
    settings: SiteSettings
    reach: float
    beyond: float
    said: str


def _site(bus_of: Sequence[str], wires: Sequence[str], charger: str, meter_bus: str) -> SiteSettings:
    """The building takes what the chargers would not leave at 16 A each; all of it the fail-safe currents leave."""
    count = len(bus_of)
    rating_a = 20 * count
    names = tuple(f"E{number}" for number in range(1, count + 1))
    return SiteSettings(
        rating_a=rating_a,
        usable_share=USABLE_SHARE,
        other_a=rating_a - 6 * count,
        load_a=rating_a * USABLE_SHARE - 16 * count,
        charger=charger,
        max_a=16,
        wires=wires,
        bus_of=bus_of,
        meter_bus=meter_bus,
        readers=(names,),
    )


def serial() -> Wire:
    site = _site(["rs485"] * 10, [rtu("rs485", 19200, "E"), tcp("net")], "heidelberg-energy-control", "net")
    said = (
        "10 Heidelberg Energy Control (16 A) on one RTU bus at 19200 8E1, a pty that drops what comes inside the "
        "gap, turnaround 5 ms; meter of the 200 A circuit on Modbus TCP"
    )
    return Wire("rtu", site, 350.0, 250.0, said)


def ethernet(count: int = 20) -> Wire:
    names = [f"net{number}" for number in range(count)]
    site = _site(names, [*map(tcp, (*names, "net"))], "amperfied-connect", "net")
    said = (
        f"{count} Amperfied connect (16 A) on Modbus TCP, each a device of its own, "
        f"and the meter of the {20 * count} A circuit"
    )
    return Wire("tcp", site, 150.0, 110.0, said)


def run_rtu(options: Options) -> list[Row]:
    return rows(serial(), MANY_STEPS if options.thorough else STEPS)


def run_tcp(options: Options) -> list[Row]:
    return rows(ethernet(), MANY_STEPS if options.thorough else STEPS)


def rows(wire: Wire, count: int) -> list[Row]:
    found = list(steps_of(wire, count))
    said = (
        f"WHOLE CONTROLLER (ampyard run, store on disk, page on): {wire.said}, refreshed each 0.1 s and read each "
        f"0.05 s; all cars draw what they are offered; {count} steps of the building's load at random moments, "
        f"{BETWEEN_S[wire.name][0]:g} s or more apart; from the first registers that show more than the rating "
        "to the acknowledgement after which "
        f"({sum(one.repeated for one in found)} steps were repeated because this machine held a slave up)"
    )
    last, below = f"{said} every charger has taken its lower setpoint", f"{said} the sum is below the rating"
    took, sank = [one.took_s for one in found], [one.below_s for one in found]
    return [
        Row(
            f"whole_cut_{wire.name}", f"{last}, p99", 1000 * quantile(took, 0.99), "ms",
            reach=wire.reach, beyond=wire.beyond, wall=True,
        ),
        Row(f"whole_cut_{wire.name}_median", f"{last}, median", 1000 * quantile(took, 0.5), "ms", wall=True),
        Row(f"whole_below_{wire.name}", f"{below}, p99", 1000 * quantile(sank, 0.99), "ms", wall=True),
    ]  # fmt: skip


def steps_of(wire: Wire, count: int) -> Iterator[Taken]:
    """Of all sites, as they come. A violated gap or a car that is not cut makes its step infinite."""
    told: queue.SimpleQueue[Taken] = queue.SimpleQueue()
    with ThreadPoolExecutor(SITES) as pool:
        sites = [pool.submit(_play, wire, seed, count // SITES, told.put) for seed in range(SITES)]
        for _ in steps(range(count // SITES * SITES), f"{wire.name}, {SITES} sites"):
            yield _next(told, sites)


def _next(told: "queue.SimpleQueue[Taken]", sites: Sequence[Future[None]]) -> Taken:
    """The next step of any site.

    Raises:
        Exception: what a site failed with.
    """
    while True:
        try:
            return told.get(timeout=1.0)
        except queue.Empty:
            for site in sites:
                if site.done():
                    site.result()


def _play(wire: Wire, seed: int, count: int, tell: Callable[[Taken], None]) -> None:
    with whole_site(replace(wire.settings, seed=seed)) as whole:
        _charge(whole)
        _climb(whole, count, random.Random(seed), between_s=BETWEEN_S[wire.name], tell=tell)


def _charge(whole: Whole) -> None:
    """A card of its own for each car, and all draw what they may."""
    for place in range(len(whole.settings.bus_of)):
        whole.devices.ask(tap=0, uid=whole.settings.uid(place), awaited=None, within_s=0.0)
        time.sleep(TAP_S)
    _full(whole)


def _full(whole: Whole) -> None:
    most_a = whole.settings.max_a - 0.5
    whole.wait(lambda: min(whole.state()["drawn_a"]) >= most_a, "all cars draw all they may")


def _climb(
    whole: Whole, count: int, rng: random.Random, *, between_s: tuple[float, float], tell: Callable[[Taken], None]
) -> None:
    told, slips, repeated, left = 0, 0, 0, 2 * count
    while told < count and left:
        left -= 1
        if min(whole.state()["limits_a"]) < LOWEST_A:
            whole.devices.ask(load_a=whole.settings.load_a)
            time.sleep(1.0)
            _full(whole)
        time.sleep(rng.uniform(*between_s))
        found = whole.devices.ask(react_a=_step(whole, rng), within_s=WITHIN_S)
        if found["slips"] > slips and left:
            slips = found["slips"]  # a slave was held up and answered late: that is no step
            repeated += 1
            continue
        told += 1
        good = found["took_s"] is not None and found["violations"] == 0
        took_s, below_s = (found["took_s"], found["below_s"]) if good else (math.inf, math.inf)
        tell(Taken(took_s, below_s, repeated))
        repeated = 0


def _step(whole: Whole, rng: random.Random) -> float:
    """The building's load that brings what flows now above the rating."""
    rating_a = whole.settings.rating_a
    return rating_a * (1 + rng.uniform(*OVER)) - float(sum(whole.state()["drawn_a"]))
