"""What is known of each EVSE in this tick: its bound, what counts of it, its phases, and whether it obeys.

A bound that falls does not mean that the EV draws less already: *counted* is what it may still be drawing
(`settling`).

An EVSE counts as unreachable when its driver has lost it, when it was never read, and when it has not taken a
lower setpoint for latency + 5 s although it answers. After a loss only a confirmation newer than the loss says
what it holds: until then it can be planned for again, but its bound remains that of an unreachable one.
"""

from dataclasses import dataclass

from controller.allocation.bounds import Holding, bound_ma, needs_verifying
from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage
from controller.allocation.memory import Answers, Drawing, EvseMemory, Sample, Turn
from controller.allocation.overdraw import watch_draw
from controller.allocation.phases import watch_phases
from controller.allocation.settling import most_between, settle
from controller.allocation.taper import watch_taper
from drivers.api import FallBack, Health, Phases

_SAMPLES = 8
_SAMPLES_FOR_S = 4.0
_ROUNDING_MA = 300
"""A charger's own meter may show so much less than the EV draws."""
_UNHEARD_OF = FallBack(None, 0, verified=False, holds_last=False, power_up_ma=None)


@dataclass(frozen=True, slots=True)
class Watched:
    """One EVSE in this tick. Currents per phase; `phases` is how many of its wired ones count.

    `memory` is this tick's but for what the decision adds; `counted_ma` is what counts of it.
    """

    point: SupplyPoint
    image: EvseImage
    memory: EvseMemory
    reachable: bool
    phases: int
    bound_ma: int
    surplus_ma: int
    counted_ma: int
    wants: bool
    """A session has a permit and asks for current, and nothing locks the EVSE."""

    @property
    def takes_surplus(self) -> bool:
        """Its session shall take only what would be exported."""
        return self.image.demand is not None and self.image.demand.surplus

    def most_between(self, from_s: float, to_s: float) -> int:
        """The largest current per phase that it may have drawn between two moments shortly ago."""
        held = self.memory.settling.held
        if len(held) == 1:
            return self.bound_ma
        return self.surplus_ma + most_between(held, self.point, self.memory.drawing.samples, from_s, to_s)

    @property
    def lowest_ma(self) -> int:
        """The lowest setpoint that it may have followed already."""
        image = self.image
        held = [one for one in (image.confirmed_ma, image.commanded_ma) if one is not None]
        return min((self.memory.set_ma, *held))


def watch(point: SupplyPoint, image: EvseImage | None, memory: EvseMemory | None, now_s: float) -> Watched:
    """An EVSE without an image was never heard of: it counts its maximum."""
    image = image or _unheard_of(point)
    memory = memory or _first_memory(point, image)
    answering = image.health is Health.OK and image.reading is not None
    stuck_s = _stuck_since(image, memory, now_s) if answering else None
    reachable = answering and (stuck_s is None or now_s - stuck_s < point.settle_s)
    answers = Answers(memory.answers.unreachable_s if answering else now_s, stuck_s)
    bound = bound_ma(_holding(point, image, answers, now_s, answering=answering))
    drawing = _sampled(point, image, memory)
    settling = settle(memory.settling, bound, point, drawing.samples, now_s)
    overdraw = watch_draw(point, image, memory, settling)
    phase_use = watch_phases(point, memory.phase_use, image.reading)
    phases = point.phases if phase_use.used is None or not reachable else phase_use.used
    surplus_ma = overdraw.surplus_ma if reachable else 0
    after = EvseMemory(
        set_ma=memory.set_ma,
        raised_s=memory.raised_s,
        answers=answers,
        settling=settling,
        drawing=drawing,
        overdrawing=overdraw.known if reachable else memory.overdrawing,
        phase_use=phase_use,
        taper=watch_taper(point, image, memory, settling),
        turn=memory.turn,
        shed=memory.shed,
    )
    wants = image.demand is not None and image.permit and not needs_verifying(image.fall_back)
    counted_ma = settling.counted_ma
    return Watched(point, image, after, reachable, phases, bound + surplus_ma, surplus_ma, counted_ma, wants)


def _unheard_of(point: SupplyPoint) -> EvseImage:
    return EvseImage(
        id=point.id,
        permit=False,
        demand=None,
        reading=None,
        health=Health.UNKNOWN,
        lost_s=None,
        fall_back=_UNHEARD_OF,
        confirmed_ma=None,
        confirmed_s=None,
        commanded_ma=None,
    )


def _first_memory(point: SupplyPoint, image: EvseImage) -> EvseMemory:
    """After a restart an EV that charges goes on with what it draws, so that it does not notice."""
    if image.confirmed_ma is not None:
        return EvseMemory(set_ma=image.confirmed_ma, turn=Turn(admitted=image.confirmed_ma > 0))
    if image.reading is None or image.reading.current_ma is None:
        return EvseMemory()
    drawn_ma = point.on_grid(min(point.max_ma, image.reading.current_ma.highest + _ROUNDING_MA))
    return EvseMemory(set_ma=drawn_ma, turn=Turn(admitted=True)) if drawn_ma >= point.least_ma() else EvseMemory()


def _stuck_since(image: EvseImage, memory: EvseMemory, now_s: float) -> float | None:
    """Since when it has not confirmed a setpoint that is lower than what it may hold."""
    if image.confirmed_ma is not None and image.confirmed_ma <= memory.set_ma:
        return None
    return now_s if memory.answers.stuck_s is None else memory.answers.stuck_s


def _holding(point: SupplyPoint, image: EvseImage, answers: Answers, now_s: float, *, answering: bool) -> Holding:
    lost_s, confirmed_s = answers.unreachable_s, image.confirmed_s
    confirmed_since = lost_s is None or (confirmed_s is not None and confirmed_s > lost_s)
    return Holding(
        max_ma=point.max_ma,
        fall_back=image.fall_back,
        reachable=answering and confirmed_since,
        confirmed_ma=image.confirmed_ma,
        commanded_ma=image.commanded_ma,
        silent_s=0.0 if answering or image.lost_s is None else max(0.0, now_s - image.lost_s),
    )


def _sampled(point: SupplyPoint, image: EvseImage, memory: EvseMemory) -> Drawing:
    reading, samples = image.reading, memory.drawing.samples
    if reading is None or reading.current_ma is None:
        return Drawing((), memory.drawing.lowest_ma)
    held = [one for one in (image.confirmed_ma, image.commanded_ma) if one is not None]
    lowest_ma = min((memory.set_ma, *held))
    if samples and samples[-1].t_s >= reading.t_s:
        return Drawing(samples, min(memory.drawing.lowest_ma, lowest_ma))
    drawn = Phases(*[max(0, amount) for amount in point.rotation.to_supply(reading.current_ma)])
    newest = samples[-1:]
    kept = [one for one in samples if one in newest or one.t_s >= reading.t_s - _SAMPLES_FOR_S]
    return Drawing((*kept, Sample(reading.t_s, drawn))[-_SAMPLES:], lowest_ma)
