"""The load that is not ours, from meters and chargers that are never read at the same time.

A meter shows building + EVs. What the EVs drew at that very moment is only known between two bounds:

    a charger's readings before and after the meter's moment   between the two
    only one reading, within 2 s of it                         that reading; or up to what counts of the EVSE
    nothing so near                                            from the lowest setpoint since the last reading,
                                                               up to what counts of the EVSE
    no current measurement, or not reachable                   from 0 up to what counts of the EVSE

so the building's load lies between *sure* = meter - most and *possible* = meter - least. The estimate rises at
once to what is sure, and falls by 0.25 A/s towards what is possible. An EV that ramps up is thus not mistaken for
a building that does, which would take from it what it was just given; and no EV can hide behind the doubt for
long: the sum of estimate and counted currents is never below what the meter shows. The meter's last two samples
are looked at in each tick, since the chargers' readings that bracket a sample mostly come after it.

While a meter shows more than its circuit's rating, one doubt goes against us at once (R4): no EV draws more than
the readings next to that moment say, and where none is near, only the least, unless a cut is still on its way:
the meter sees that EV as it was, and cutting once more for it would pause cars for nothing. (What an unreachable
EVSE may draw is reserved beside the estimate anyway.) That lasts for those ticks only; it is not remembered,
because readings that follow a second later decide it.

Without a recent sample (3 s, or 3 of the meter's periods if longer), or from a meter that is frozen (`frozen`),
the building counts its largest load, and never less than the last estimate. A circuit without a meter adds its
own largest load to its children's estimates. Export never makes room: a busbar that is fed from two sides carries
the sum.
"""

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

SIMULTANEOUS_S = 2.0
FALL_MA_PER_S = 250.0
STALE_S = 3.0
STALE_PERIODS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """By place of the circuit. `measured_ma` is None without a recent sample. `frozen` are meters."""

    base_ma: tuple[Phases, ...]
    measured_ma: tuple[Phases | None, ...]
    metered: Mapping[str, Metered]
    remembered_ma: Mapping[str, Phases]
    """By id of the circuit, for the next tick."""
    frozen: frozenset[str]


class Drawn(NamedTuple):
    """Bounds of what EVSEs drew at a moment, per supply phase. `shown`: by the readings next to it."""

    least: Phases
    most: Phases
    shown: Phases


def estimate(wiring: Wiring, image: ProcessImage, memory: Memory, evses: Mapping[str, Watched]) -> Estimate:
    circuits = wiring.circuits
    metered: dict[str, Metered] = {}
    base = [circuit.max_other_ma for circuit in circuits]
    measured: list[Phases | None] = [None for _ in circuits]
    remembered: dict[str, Phases] = {}
    elapsed_s = 0.0 if memory.base_s is None else image.now_s - memory.base_s
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
                last = _follow(last, seen.samples, sums, elapsed_s)
                base[place] = _doubted(circuit, seen.samples[-1], last, sums[-1])
            else:
                other = Phases(*wiring.other_ma[3 * place : 3 * place + 3])
                base[place] = _higher(other, last or NO_CURRENT)
            if last is not None and _all_heard_of(below):
                remembered[circuit.id] = last
        for above in wiring.tree.paths[circuit.id][1:2]:
            base[above] = base[above].plus(base[place])
    frozen = frozenset(name for name, seen in metered.items() if is_frozen(seen))
    return Estimate(tuple(base), tuple(measured), metered, remembered, frozen)


def _meter(
    memory: Memory, image: ProcessImage, meter: str, below: Sequence[Watched]
) -> tuple[Metered | None, list[Drawn]]:
    """What is known of a meter, and what the EVs drew at each of its samples."""
    known, reading = memory.metered.get(meter), image.meters.get(meter)
    times = [] if known is None else [sample.t_s for sample in known.samples]
    if reading is None or (times and times[-1] >= reading.t_s):
        return known, [_sum(below, t_s) for t_s in times]
    sums = [_sum(below, t_s) for t_s in (*times[-1:], reading.t_s)]
    return observe(known, reading, least_ma=sums[-1].least, most_ma=sums[-1].most), sums


def _fresh(layout: Layout, meter: str, seen: Metered, now_s: float) -> bool:
    longest_s = max(STALE_S, STALE_PERIODS * layout.meter_period_s.get(meter, 1.0))
    return now_s - seen.newest.t_s <= longest_s and not is_frozen(seen)


def _all_heard_of(evses: Iterable[Watched]) -> bool:
    """Before the first readings the EVs would be taken for building, and remembered as such."""
    return all(one.image.reading is not None or one.image.health is Health.LOST for one in evses)


def _sum(evses: Iterable[Watched], at_s: float) -> Drawn:
    least, most, shown = [0, 0, 0], [0, 0, 0], [0, 0, 0]
    for evse in evses:
        one = drawn(evse, at_s)
        for phase in range(3):
            least[phase] += one.least[phase]
            most[phase] += one.most[phase]
            shown[phase] += one.shown[phase]
    return Drawn(Phases(*least), Phases(*most), Phases(*shown))


def drawn(evse: Watched, at_s: float) -> Drawn:
    """What an EVSE can have drawn at a moment."""
    samples = evse.memory.drawing.samples
    counted_ma = evse.counted_at(at_s)
    counted = _on_its_phases(evse, counted_ma)
    if not samples or not evse.reachable:
        return Drawn(NO_CURRENT, counted, NO_CURRENT if evse.reachable else counted)
    before, after = _around(samples, at_s)
    settling = counted_ma > evse.bound_ma
    if before is not None and after is not None and before.t_s >= at_s - SIMULTANEOUS_S:
        shown = _higher(before.current_ma, after.current_ma)
        return Drawn(_lower(before.current_ma, after.current_ma), shown, shown)
    near = after or (before if before is not None and before.t_s >= at_s - SIMULTANEOUS_S else None)
    if near is None:
        lowest_ma, newest = evse.memory.drawing.lowest_ma, samples[-1].current_ma
        least = _lower(counted, Phases(*[min(amount, lowest_ma) for amount in newest]))
        return Drawn(least, counted, _lower(counted, newest) if settling else least)
    shown = near.current_ma
    if settling and before is not None:
        shown = _higher(shown, _lower(counted, before.current_ma))
    return Drawn(near.current_ma, _higher(near.current_ma, counted), shown)


def _on_its_phases(evse: Watched, current_ma: int) -> Phases:
    amounts = [0, 0, 0]
    for phase in evse.point.rotation.value[: evse.phases]:
        amounts[phase] = current_ma
    return Phases(*amounts)


def _around(samples: Sequence[Sample], at_s: float) -> tuple[Sample | None, Sample | None]:
    """The last sample up to a moment, and the first from it on that is simultaneous."""
    before = after = None
    for one in samples:
        if one.t_s <= at_s:
            before = one
        if after is None and at_s <= one.t_s <= at_s + SIMULTANEOUS_S:
            after = one
    return before, after


def _follow(last: Phases | None, samples: Sequence[Sample], ours: Sequence[Drawn], elapsed_s: float) -> Phases:
    """Up at once to what is sure, down slowly to what is possible."""
    possible = _without(samples[-1].current_ma, ours[-1].least)
    if last is None:
        return possible
    fallen = int(FALL_MA_PER_S * max(0.0, elapsed_s))
    known = Phases(*(min(old, max(new, old - fallen)) for old, new in zip(last, possible, strict=True)))
    for sample, ev in zip(samples, ours, strict=True):
        known = _higher(known, _without(sample.current_ma, ev.most))
    return known


def _without(measured: Phases, ours: Phases) -> Phases:
    """Export never makes room."""
    return Phases(*(max(0, all_ma - ours_ma) for all_ma, ours_ma in zip(measured, ours, strict=True)))


def _doubted(circuit: Circuit, sample: Sample, known: Phases, ours: Drawn) -> Phases:
    """Where the meter shows more than the rating, the alarming view counts."""
    alarming = _without(sample.current_ma, ours.shown)
    over = [amount > rating for amount, rating in zip(sample.current_ma, circuit.rating_ma, strict=True)]
    return Phases(*(max(k, a) if o else k for k, a, o in zip(known, alarming, over, strict=True)))


def _higher(one: Phases, other: Phases) -> Phases:
    return Phases(max(one.l1, other.l1), max(one.l2, other.l2), max(one.l3, other.l3))


def _lower(one: Phases, other: Phases) -> Phases:
    return Phases(min(one.l1, other.l1), min(one.l2, other.l2), min(one.l3, other.l3))
