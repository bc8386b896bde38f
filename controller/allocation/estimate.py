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

Without a recent sample (3 s, or 3 of the meter's periods if longer) the building counts its largest load, and
never less than the last estimate. A circuit without a meter adds its own largest load to its children's
estimates. Export never makes room: a busbar that is fed from two sides carries the sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.allocation.circuits import Circuit, Tree
from controller.allocation.image import Layout, Memory, ProcessImage, Sample
from controller.allocation.watch import Watched
from drivers.api import NO_CURRENT, Health, Phases

SIMULTANEOUS_S = 2.0
FALL_MA_PER_S = 250.0
STALE_S = 3.0
STALE_PERIODS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """By place of the circuit. `measured_ma` is None without a recent sample."""

    base_ma: tuple[Phases, ...]
    measured_ma: tuple[Phases | None, ...]
    memory: Memory


@dataclass(frozen=True, slots=True)
class _Range:
    """What may be the building at the moment of one sample; `alarming` is what counts above the rating."""

    sure: Phases
    possible: Phases
    alarming: Phases


@dataclass(frozen=True, slots=True)
class Drawn:
    """Bounds of what an EVSE drew at a moment, per supply phase. `shown`: by the readings next to it."""

    least: Phases
    most: Phases
    shown: Phases


def estimate(layout: Layout, tree: Tree, image: ProcessImage, memory: Memory, evses: Sequence[Watched]) -> Estimate:
    """The resulting memory has new base loads and samples, and the EVSEs' memory as it was."""
    metered = {
        circuit.meter: _samples(memory, image, circuit.meter) for circuit in layout.circuits if circuit.meter
    }
    below = _below(tree, evses)
    other = tree.other_ma()
    base = [circuit.max_other_ma for circuit in layout.circuits]
    measured: list[Phases | None] = [None for _ in layout.circuits]
    remembered: dict[str, Phases] = {}
    for place, circuit in reversed(list(enumerate(layout.circuits))):
        last = memory.base_ma.get(circuit.id)
        if circuit.meter is not None:
            samples = metered[circuit.meter]
            if _fresh(layout, circuit.meter, samples, image.now_s):
                measured[place] = samples[-1].current_ma
                ranges = [_range(sample, below[place]) for sample in samples]
                last = _follow(last, ranges, image.now_s - memory.base_s.get(circuit.id, image.now_s))
                base[place] = _doubted(circuit, samples[-1], last, ranges[-1])
            else:
                base[place] = _higher(other[place], last or NO_CURRENT)
            if last is not None and _all_heard_of(below[place]):
                remembered[circuit.id] = last
        for above in tree.paths[circuit.id][1:2]:
            base[above] = base[above].plus(base[place])
    after = Memory(memory.evses, remembered, dict.fromkeys(remembered, image.now_s), metered)
    return Estimate(tuple(base), tuple(measured), after)


def _samples(memory: Memory, image: ProcessImage, meter: str) -> tuple[Sample, ...]:
    known = memory.metered.get(meter, ())
    reading = image.meters.get(meter)
    if reading is None or (known and known[-1].t_s >= reading.t_s):
        return known
    return (*known, Sample(reading.t_s, reading.current_ma))[-2:]


def _below(tree: Tree, evses: Sequence[Watched]) -> list[list[Watched]]:
    below: list[list[Watched]] = [[] for _ in tree.circuits]
    for one in evses:
        for place in tree.paths[one.point.circuit]:
            below[place].append(one)
    return below


def _fresh(layout: Layout, meter: str, samples: Sequence[Sample], now_s: float) -> bool:
    longest_s = max(STALE_S, STALE_PERIODS * layout.meter_period_s.get(meter, 1.0))
    return bool(samples) and now_s - samples[-1].t_s <= longest_s


def _all_heard_of(evses: Sequence[Watched]) -> bool:
    """Before the first readings the EVs would be taken for building, and remembered as such."""
    return all(one.image.reading is not None or one.image.health is Health.LOST for one in evses)


def _range(sample: Sample, evses: Sequence[Watched]) -> _Range:
    sure, possible, alarming = (list(sample.current_ma) for _ in range(3))
    for one in evses:
        amounts = drawn(one, sample.t_s)
        for phase in range(3):
            sure[phase] -= amounts.most[phase]
            possible[phase] -= amounts.least[phase]
            alarming[phase] -= amounts.shown[phase]
    return _Range(*(Phases(*(max(0, amount) for amount in amounts)) for amounts in (sure, possible, alarming)))


def drawn(evse: Watched, at_s: float) -> Drawn:
    """What an EVSE can have drawn at a moment."""
    samples = evse.memory.samples
    counted_ma = evse.counted_at(at_s)
    counted = evse.point.rotation.to_supply(Phases(*(counted_ma if n < evse.phases else 0 for n in range(3))))
    if not samples or not evse.reachable:
        return Drawn(NO_CURRENT, counted, NO_CURRENT if evse.reachable else counted)
    before = [one for one in samples if one.t_s <= at_s][-1:]
    after = [one for one in samples if at_s <= one.t_s <= at_s + SIMULTANEOUS_S][:1]
    near = [one.current_ma for one in (*before, *after) if one.t_s >= at_s - SIMULTANEOUS_S]
    settling = counted_ma > evse.bound_ma
    if not near:
        least = _lower(counted, Phases(*(min(amount, evse.memory.lowest_ma) for amount in samples[-1].current_ma)))
        return Drawn(least, counted, _lower(counted, samples[-1].current_ma) if settling else least)
    shown = _higher(near[0], near[-1])
    if len(near) > 1:
        return Drawn(_lower(*near), shown, shown)
    if settling and before:
        shown = _higher(shown, _lower(counted, before[0].current_ma))
    return Drawn(near[0], _higher(near[0], counted), shown)


def _follow(last: Phases | None, ranges: Sequence[_Range], elapsed_s: float) -> Phases:
    """Up at once to what is sure, down slowly to what is possible."""
    possible = ranges[-1].possible
    if last is None:
        return possible
    fallen = int(FALL_MA_PER_S * max(0.0, elapsed_s))
    known = Phases(*(min(old, max(new, old - fallen)) for old, new in zip(last, possible, strict=True)))
    for one in ranges:
        known = _higher(known, one.sure)
    return known


def _doubted(circuit: Circuit, sample: Sample, known: Phases, newest: _Range) -> Phases:
    """Where the meter shows more than the rating, the alarming view counts."""
    over = [amount > rating for amount, rating in zip(sample.current_ma, circuit.rating_ma, strict=True)]
    return Phases(*(max(k, a) if o else k for k, a, o in zip(known, newest.alarming, over, strict=True)))


def _higher(one: Phases, other: Phases) -> Phases:
    return Phases(max(one.l1, other.l1), max(one.l2, other.l2), max(one.l3, other.l3))


def _lower(one: Phases, other: Phases) -> Phases:
    return Phases(min(one.l1, other.l1), min(one.l2, other.l2), min(one.l3, other.l3))
