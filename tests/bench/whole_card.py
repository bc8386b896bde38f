"""The whole controller offline: from a card's last byte to the setpoint that lets its car charge, on the wire."""

import math
import random
import time
from collections.abc import Sequence

from tests.bench.progress import steps
from tests.bench.rows import Options, Row
from tests.bench.timing import quantile
from tests.bench.whole_site import SiteSettings, Whole, tcp, whole_site

CHARGERS = 10
TAPS, MANY_TAPS = 60, 240
ROUND_S = 22.0
"""From one start of a charger to its next: these keep setpoints in EEPROM and are raised once in 18 s (R12)."""
STOP_AFTER_S = 11.0
"""A card does not stop a session that has only just begun."""
APART_S = (0.0, 0.5)
WITHIN_S = 5.0


def run(options: Options) -> list[Row]:
    took = _taps(MANY_TAPS if options.thorough else TAPS)
    said = (
        "WHOLE CONTROLLER (ampyard run, store on disk, page on), OFFLINE (a CSMS is configured and refuses "
        f"connections, the card is in its cache): {len(took)} taps at RDM6300 readers, one for each of {CHARGERS} "
        "Amperfied connect on Modbus TCP with an EV plugged in; from the last byte of the card's telegram to the "
        "first write that offers current, as its charger hears it"
    )
    return [
        Row("whole_card", f"{said}, p99", 1000 * quantile(took, 0.99), "ms", reach=250.0, beyond=150.0, wall=True),
        Row("whole_card_median", f"{said}, median", 1000 * quantile(took, 0.5), "ms", wall=True),
    ]


def site() -> SiteSettings:
    names = [f"net{number}" for number in range(CHARGERS)]
    return SiteSettings(
        rating_a=20 * CHARGERS,
        usable_share=0.95,
        other_a=10,
        load_a=5.0,
        charger="amperfied-connect",
        max_a=16,
        wires=[*map(tcp, (*names, "net"))],
        bus_of=names,
        meter_bus="net",
        readers=[[f"E{number}"] for number in range(1, CHARGERS + 1)],
        offline=True,
    )


def _taps(count: int) -> list[float]:
    took: list[float] = []
    begun_s: list[float] = []
    with whole_site(site()) as whole:
        rng = random.Random(3)
        for turn in steps(range(count), "cards"):
            time.sleep(rng.uniform(*APART_S))
            begun_s.append(time.monotonic())
            took.append(_tap(whole, turn % CHARGERS))
            if len(begun_s) == CHARGERS:
                _stop_all(whole, begun_s)
                begun_s.clear()
    return took


def _tap(whole: Whole, place: int) -> float:
    evse, uid = whole.settings.evses[place], whole.settings.uid(place)
    found = whole.devices.ask(tap=place, uid=uid, awaited=evse, within_s=WITHIN_S)
    return math.inf if found["took_s"] is None else float(found["took_s"])


def _stop_all(whole: Whole, begun_s: Sequence[float]) -> None:
    """Each with its own card; then no charger offers anything."""
    for place, tapped_s in enumerate(begun_s):
        _sleep_until(tapped_s + STOP_AFTER_S)
        whole.devices.ask(tap=place, uid=whole.settings.uid(place), awaited=None, within_s=0.0)
    whole.wait(lambda: max(whole.state()["limits_a"]) == 0, "every session has ended")
    _sleep_until(begun_s[0] + ROUND_S)


def _sleep_until(until_s: float) -> None:
    time.sleep(max(0.0, until_s - time.monotonic()))
