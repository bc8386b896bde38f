"""Days of charging where no file of real ones is given: seeded, of the same shape.

The shape is that of workplaces with a few fast outlets: most cars come in the morning, two in seven only stop for
half an hour or so, the stays are log-normal, and what drivers say is a poor forecast. Half of them state more than
twice their stay, one in five stays longer than stated, one in twelve says nothing, many ask for more than fits.
"""

import random

from tests.bench.days_sessions import DAY_S, VOLTS, Statement, Stay

_STATIONS = 39
_FAST = 2
"""So many of them have three phases, and are the busiest."""
_OUTLETS = {False: ((16_000, 1), (32_000, 1)), True: ((16_000, 3), (32_000, 3))}


def days(seed: int, count: int) -> list[list[Stay]]:
    dice = random.Random(seed)
    return [_day(dice, number) for number in range(count)]


def _day(dice: random.Random, number: int) -> list[Stay]:
    free_s = dict.fromkeys(range(_STATIONS), 0.0)
    arrivals = sorted(_arrives_s(dice) for _ in range(dice.randint(14, 34)))
    stays: list[Stay] = []
    for place, arrives_s in enumerate(arrivals):
        fast = dice.random() < 2 / 7
        kind = range(_FAST) if fast else range(_FAST, _STATIONS)
        free = [station for station in kind if free_s[station] <= arrives_s]
        if free:
            stay = _stay(dice, f"{number}-{place}", dice.choice(free), arrives_s)
            free_s[stay.station] = stay.departs_s
            stays.append(stay)
    return stays


def _arrives_s(dice: random.Random) -> float:
    """Of the day that begins at 3 o'clock: 9 in the morning, 14 in the afternoon."""
    hour = dice.gauss(6, 1.3) if dice.random() < 0.6 else dice.gauss(11, 2.5)
    return min(max(hour, 0.0), 20.0) * 3600


def _stay(dice: random.Random, name: str, station: int, arrives_s: float) -> Stay:
    fast = station < _FAST
    most_ma, phases = dice.choice(_OUTLETS[fast])
    hours = min(max(dice.lognormvariate(-0.3, 0.6) if fast else dice.lognormvariate(1.1, 0.8), 0.2), 16.0)
    asked_wh = int(min(max(dice.lognormvariate(10.2, 0.7), 2_000), 100_000))
    stated_s = hours * 3600 * min(max(dice.lognormvariate(0.75, 1.0), 0.3), 12.0)
    said = None if dice.random() < 1 / 12 else Statement(asked_wh, arrives_s + min(stated_s, DAY_S))
    takes_wh = min(asked_wh, most_ma * phases * VOLTS / 1000 * hours)
    return Stay(name, station, arrives_s, arrives_s + hours * 3600, takes_wh, most_ma, phases, said)
