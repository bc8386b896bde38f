"""The load that is not ours, from meters and chargers that are never read at the same time.

A meter shows building + EVs, as they were up to a second before it was read (`HIDDEN_S`). What the EVs drew then is
only known between two bounds:

    a charger's readings around that moment             between the lowest and the highest of them
    readings after it only                              at least the lowest; up to what counts of the EVSE
    readings before it only                             the same, or its lowest setpoint since if that is lower
    nothing within 2 s of it                            from the lowest setpoint since the last reading, or that
                                                        reading if it is lower, up to what counts of the EVSE
    no current measurement, or not reachable            from 0 up to what counts of the EVSE

and so the building's load lies between *sure* = meter - most and *possible* = meter - least. The estimate rises at
once to what is sure. Towards what is possible it falls at once where the bounds are close together, and within some
seconds where they are not, because a dip may be an EV that pauses. So an EV that ramps up is not mistaken for a
building that does; and no EV can hide behind the doubt: the sum of estimate and counted currents is never below
what the meter shows.

Where readings are old the meter itself is a witness: what it shows above the estimate was drawn by our EVs. They
are believed to go on so (`ours`), as far as their lowest setpoint since allows, until readings say otherwise.

While a meter shows more than its circuit's rating, one doubt goes against us at once (R4): the EVs draw what they
were last seen or believed to draw, and cuts that are under way have not reached them; all else is building. This is
remembered like any other estimate: what the meter shows less a moment later is at first our cuts' doing.

A fall of less than 0.5 A, or one percent of the rating, is not followed, and of a small rise a little more is taken
than was seen: setpoints shall not dance to the noise of a meter. Without a recent sample (3 s, or 3 of the meter's
periods if longer), or from a meter that is frozen (`frozen`), the building counts its largest load, and never less
than the last estimate. A circuit without a meter adds its own largest load to its children's estimates. Export
never makes room: a busbar that is fed from two sides carries the sum.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from controller.allocation.circuits import Circuit
from controller.allocation.frozen import is_frozen, observe
from controller.allocation.image import Layout, ProcessImage
from controller.allocation.memory import Memory, Metered, Sample
from controller.allocation.watch import Watched
from controller.allocation.wiring import Wiring
from drivers.api import NO_CURRENT, Health, Phases

HIDDEN_S = 1.0
"""A sample may be so much older than it says: instruments average and refresh in their own time."""
SIMULTANEOUS_S = 2.0
FALLS_WITHIN_S = 2.0
FALL_MA_PER_S = 1000
CLOSE_MA = 1000
NOISE_MA = 500
NOISE_PERMILLE = 10
SLACK_MA = 200
STALE_S = 3.0
STALE_PERIODS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """By place of the circuit. `measured_ma` is None without a recent sample. `frozen` are meters.

    `remembered_ma` and `ours_ma` are by id of the circuit, for the next tick.
    """

    base_ma: tuple[Phases, ...]
    measured_ma: tuple[Phases | None, ...]
    metered: Mapping[str, Metered]
    remembered_ma: Mapping[str, Phases]
    ours_ma: Mapping[str, Phases]
    frozen: frozenset[str]


class Drawn(NamedTuple):
    """Bounds of what EVSEs drew at a moment, per supply phase. `shown`: what they were last seen to draw.

    `believable`: the most of it that the meter may be believed about, where readings do not say better.
    """

    least: Phases
    most: Phases
    shown: Phases
    believable: Phases


def estimate(wiring: Wiring, image: ProcessImage, memory: Memory, evses: Mapping[str, Watched]) -> Estimate:
    circuits = wiring.circuits
    metered: dict[str, Metered] = {}
    base = [circuit.max_other_ma for circuit in circuits]
    measured: list[Phases | None] = [None for _ in circuits]
    remembered: dict[str, Phases] = {}
    ours: dict[str, Phases] = {}
    elapsed_s = memory.elapsed_s(image.now_s)
    for place in range(len(circuits) - 1, -1, -1):
        circuit = circuits[place]
        last = memory.base_ma.get(circuit.id)
        if circuit.meter is not None:
            below = [evses[name] for name in wiring.below[place]]
            seen, sums = _meter(memory, image, circuit.meter, below)
            if seen is not None:
                metered[circuit.meter] = seen
            if seen is not None and _fresh(wiring.layout, circuit.meter, seen, image.now_s):
                measured[place] = seen.samples[-1].current_ma
                view = _View(circuit, seen.samples, sums, below, memory.ours_ma.get(circuit.id, NO_CURRENT))
                last = base[place] = view.follow(last, elapsed_s)
                ours[circuit.id] = view.believed(last)
            else:
                other = Phases(*wiring.other_ma[3 * place : 3 * place + 3])
                base[place] = _higher(other, last or NO_CURRENT)
            if last is not None and _all_heard_of(below):
                remembered[circuit.id] = last
        for above in wiring.tree.paths[circuit.id][1:2]:
            base[above] = base[above].plus(base[place])
    frozen = frozenset(name for name, seen in metered.items() if is_frozen(seen))
    return Estimate(tuple(base), tuple(measured), metered, remembered, ours, frozen)


def _meter(
    memory: Memory, image: ProcessImage, meter: str, below: Sequence[Watched]
) -> tuple[Metered | None, list[Drawn]]:
    """What is known of a meter, and what the EVs drew at each of its samples."""
    known, reading = memory.metered.get(meter), image.meters.get(meter)
    times = [] if known is None else [sample.t_s for sample in known.samples]
    if reading is None or (times and times[-1] >= reading.t_s):
        return known, [_sum(below, t_s) for t_s in times]
    sums = [_sum(below, t_s) for t_s in (*times[-1:], reading.t_s)]
    seen = observe(known, reading, least_ma=sums[-1].least, most_ma=sums[-1].most)
    return seen, sums[-len(seen.samples) :]


def _fresh(layout: Layout, meter: str, seen: Metered, now_s: float) -> bool:
    longest_s = max(STALE_S, STALE_PERIODS * layout.meter_period_s.get(meter, 1.0))
    return now_s - seen.newest.t_s <= longest_s and not is_frozen(seen)


def _all_heard_of(evses: Iterable[Watched]) -> bool:
    """Before the first readings the EVs would be taken for building, and remembered as such."""
    return all(one.image.reading is not None or one.image.health is Health.LOST for one in evses)


@dataclass(frozen=True, slots=True)
class _View:
    """A metered circuit: its last two samples, what the EVs below drew at each, and what was believed of them."""

    circuit: Circuit
    samples: Sequence[Sample]
    sums: Sequence[Drawn]
    below: Sequence[Watched]
    believed_ma: Phases

    def follow(self, last: Phases | None, elapsed_s: float) -> Phases:
        """Up at once to what is sure, down to what is possible as fast as the doubt allows."""
        measured, newest = self.samples[-1].current_ma, self.sums[-1]
        least = self._least()
        possible = _without(measured, least)
        known = possible
        if last is not None:
            highest = _higher(possible, _without(self.samples[0].current_ma, _higher(self.sums[0].least, least)))
            known = self._fallen(last, highest, elapsed_s)
        for sample, ours in zip(self.samples, self.sums, strict=True):
            known = self._risen(known, _without(sample.current_ma, ours.most))
        alarming = _without(measured, _higher(newest.shown, _lower(self.believed_ma, newest.believable)))
        over = [amount > rating for amount, rating in zip(measured, self.circuit.rating_ma, strict=True)]
        return Phases(*(max(k, a) if o else k for k, a, o in zip(known, alarming, over, strict=True)))

    def believed(self, base: Phases) -> Phases:
        """What the EVs draw if the building draws this."""
        ours = _without(self.samples[-1].current_ma, base)
        return _lower(_higher(ours, self._least()), self.sums[-1].most)

    def _least(self) -> Phases:
        """What the EVs draw at least: as their readings say, or as the meter has shown, if they still may."""
        allowed = [0, 0, 0]
        for one in self.below:
            for phase in one.point.rotation.value[: one.phases] if one.reachable else ():
                allowed[phase] += one.lowest_ma
        return _lower(_higher(self.sums[-1].least, _lower(self.believed_ma, Phases(*allowed))), self.sums[-1].most)

    def _risen(self, known: Phases, sure: Phases) -> Phases:
        """A little more than a small rise: the next peak of the noise shall not move it again."""
        slack = [SLACK_MA if old < new <= old + NOISE_MA else 0 for old, new in zip(known, sure, strict=True)]
        return Phases(*(max(old, new + more) for old, new, more in zip(known, sure, slack, strict=True)))

    def _fallen(self, last: Phases, possible: Phases, elapsed_s: float) -> Phases:
        newest, elapsed_s = self.sums[-1], max(0.0, elapsed_s)
        part = 1.0 - math.exp(-elapsed_s / FALLS_WITHIN_S)
        fallen = list(last)
        for phase in range(3):
            noise_ma = max(NOISE_MA, self.circuit.rating_ma[phase] * NOISE_PERMILLE // 1000)
            if possible[phase] < last[phase] - noise_ma:
                close = newest.most[phase] - newest.least[phase] <= CLOSE_MA
                gap_ma = last[phase] - possible[phase]
                fall_ma = gap_ma if close else min(gap_ma, int(max(FALL_MA_PER_S * elapsed_s, part * gap_ma)))
                fallen[phase] = last[phase] - fall_ma
        return Phases(*fallen)


def _sum(evses: Iterable[Watched], at_s: float) -> Drawn:
    least, most, shown, believable = [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]
    for evse in evses:
        one = drawn(evse, at_s)
        for phase in range(3):
            least[phase] += one.least[phase]
            most[phase] += one.most[phase]
            shown[phase] += one.shown[phase]
            believable[phase] += one.believable[phase]
    return Drawn(Phases(*least), Phases(*most), Phases(*shown), Phases(*believable))


def drawn(evse: Watched, at_s: float) -> Drawn:
    """What an EVSE can have drawn at the moment of a meter's sample."""
    samples, from_s = evse.memory.drawing.samples, at_s - HIDDEN_S
    counted = _on_its_phases(evse, evse.most_between(from_s, at_s))
    if not samples or not evse.reachable:
        return Drawn(NO_CURRENT, counted, NO_CURRENT if evse.reachable else counted, counted)
    around = _around(samples, from_s, at_s)
    if not around:
        newest = samples[-1].current_ma
        lowest_ma = evse.memory.drawing.lowest_ma
        least = _lower(counted, Phases(*[min(amount, lowest_ma) for amount in newest]))
        return Drawn(least, counted, _lower(counted, newest), counted)
    least = most = around[0].current_ma
    for one in around[1:]:
        least, most = _lower(least, one.current_ma), _higher(most, one.current_ma)
    if around[0].t_s <= at_s < around[-1].t_s or around[-1].t_s == at_s:
        return Drawn(least, most, most, most)
    followed = _lower(least, _on_its_phases(evse, evse.lowest_ma))
    return Drawn(followed if around[-1].t_s <= at_s else least, _higher(most, counted), most, most)


def _on_its_phases(evse: Watched, current_ma: int) -> Phases:
    amounts = [0, 0, 0]
    for phase in evse.point.rotation.value[: evse.phases]:
        amounts[phase] = current_ma
    return Phases(*amounts)


def _around(samples: Sequence[Sample], from_s: float, at_s: float) -> list[Sample]:
    """The last sample before the moments that a meter's sample may mean, those within, and the first after."""
    found: list[Sample] = []
    for one in samples:
        if one.t_s <= from_s:
            found = [one] if one.t_s >= from_s - SIMULTANEOUS_S else []
        elif one.t_s <= at_s:
            found.append(one)
        elif one.t_s <= at_s + SIMULTANEOUS_S:
            return [*found, one]
    return found


def _without(measured: Phases, ours: Phases) -> Phases:
    """Export never makes room."""
    return Phases(*(max(0, all_ma - ours_ma) for all_ma, ours_ma in zip(measured, ours, strict=True)))


def _higher(one: Phases, other: Phases) -> Phases:
    return Phases(max(one.l1, other.l1), max(one.l2, other.l2), max(one.l3, other.l3))


def _lower(one: Phases, other: Phases) -> Phases:
    return Phases(min(one.l1, other.l1), min(one.l2, other.l2), min(one.l3, other.l3))
