"""What is known of each EVSE in this tick: its bound, what counts of it, its phases, and whether it obeys.

A bound that falls does not mean that the EV draws less already. *Counted* is therefore the larger current before
the fall until the charger's latency + 5 s have passed, or a reading taken after the fall shows less. A setpoint
that rises counts at once, as commanded.

An EVSE counts as unreachable when its driver has lost it, when it was never read, and when it has not taken a
lower setpoint for latency + 5 s although it answers. After a loss only a confirmation newer than the loss says
what it holds: until then it can be planned for again, but its bound remains that of an unreachable one.
"""

from dataclasses import dataclass, replace

from controller.allocation.bounds import EV_REACTION_S, Holding, bound_ma, needs_verifying
from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage, EvseMemory, Sample
from controller.allocation.overdraw import watch_draw
from controller.allocation.phases import watch_phases
from drivers.api import FallBack, Health, Phases

_SAMPLES = 8
_SAMPLES_FOR_S = 4.0
_ROUNDING_MA = 300
"""A charger's own meter may show so much less than the EV draws."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One EVSE in this tick. Currents per phase; `phases` is how many of its wired ones count."""

    point: SupplyPoint
    image: EvseImage
    memory: EvseMemory
    reachable: bool
    phases: int
    bound_ma: int
    surplus_ma: int

    @property
    def counted_ma(self) -> int:
        return self.memory.counted_ma

    def counted_at(self, at_s: float) -> int:
        """What counted of it at a moment shortly ago, when a cut may not have reached the EV yet."""
        cut_s = self.memory.cut_s
        settling = cut_s is not None and at_s < cut_s + settle_s(self.point)
        return max(self.bound_ma, self.counted_ma, self.memory.before_cut_ma if settling else 0)

    @property
    def wants(self) -> bool:
        """A session has a permit and asks for current, and nothing locks the EVSE."""
        return self.image.demand is not None and self.image.permit and not needs_verifying(self.image.fall_back)


def settle_s(point: SupplyPoint) -> float:
    """From a confirmed cut until the EV follows it."""
    return point.latency_s + EV_REACTION_S


def watch(point: SupplyPoint, image: EvseImage | None, memory: EvseMemory | None, now_s: float) -> Watched:
    """An EVSE without an image was never heard of: it counts its maximum."""
    image = image or _unheard_of(point)
    memory = memory or _first_memory(point, image)
    answers = image.health is Health.OK and image.reading is not None
    stuck_s = _stuck_since(image, memory, now_s) if answers else None
    reachable = answers and (stuck_s is None or now_s - stuck_s < settle_s(point))
    memory = replace(memory, stuck_s=stuck_s, unreachable_s=memory.unreachable_s if answers else now_s)
    bound = bound_ma(_holding(point, image, memory, now_s, answers=answers))
    memory = _count(replace(memory, bound_ma=bound), memory, point, image, now_s)
    memory = watch_phases(point, _sampled(point, image, memory), image.reading)
    draw = watch_draw(point, image, memory, settle_s=settle_s(point))
    memory = draw.memory if reachable else memory
    surplus_ma = draw.surplus_ma if reachable else 0
    phases = point.phases if memory.phases_used is None or not reachable else memory.phases_used
    return Watched(point, image, memory, reachable, phases, bound + surplus_ma, surplus_ma)


def _unheard_of(point: SupplyPoint) -> EvseImage:
    nothing = FallBack(None, 0, verified=False, holds_last=False, power_up_ma=None)
    return EvseImage(
        id=point.id,
        permit=False,
        demand=None,
        reading=None,
        health=Health.UNKNOWN,
        lost_s=None,
        fall_back=nothing,
        confirmed_ma=None,
        confirmed_s=None,
        commanded_ma=None,
    )


def _first_memory(point: SupplyPoint, image: EvseImage) -> EvseMemory:
    """After a restart an EV that charges goes on with what it draws, so that it does not notice."""
    if image.confirmed_ma is not None:
        return EvseMemory(set_ma=image.confirmed_ma, admitted=image.confirmed_ma > 0)
    if image.reading is None or image.reading.current_ma is None:
        return EvseMemory()
    drawn_ma = point.on_grid(min(point.max_ma, image.reading.current_ma.highest + _ROUNDING_MA))
    return EvseMemory(set_ma=drawn_ma, admitted=True) if drawn_ma >= point.least_ma() else EvseMemory()


def _stuck_since(image: EvseImage, memory: EvseMemory, now_s: float) -> float | None:
    """Since when it has not confirmed a setpoint that is lower than what it may hold."""
    if image.confirmed_ma is not None and image.confirmed_ma <= memory.set_ma:
        return None
    return now_s if memory.stuck_s is None else memory.stuck_s


def _holding(point: SupplyPoint, image: EvseImage, memory: EvseMemory, now_s: float, *, answers: bool) -> Holding:
    lost_s, confirmed_s = memory.unreachable_s, image.confirmed_s
    confirmed_since = lost_s is None or (confirmed_s is not None and confirmed_s > lost_s)
    return Holding(
        max_ma=point.max_ma,
        fall_back=image.fall_back,
        reachable=answers and confirmed_since,
        confirmed_ma=image.confirmed_ma,
        commanded_ma=image.commanded_ma,
        silent_s=0.0 if answers or image.lost_s is None else max(0.0, now_s - image.lost_s),
    )


def _count(
    memory: EvseMemory, before: EvseMemory, point: SupplyPoint, image: EvseImage, now_s: float
) -> EvseMemory:
    bound = memory.bound_ma or 0
    if before.bound_ma is None:
        return replace(memory, counted_ma=bound)
    settling = before.cut_s is not None and now_s - before.cut_s < settle_s(point)
    earlier_ma = max(before.bound_ma, _seen_ma(image, before) if settling else 0)
    if bound >= before.bound_ma:
        return replace(memory, counted_ma=max(bound, earlier_ma))
    before_cut_ma = max(before.counted_ma, before.before_cut_ma if settling else 0)
    return replace(memory, counted_ma=earlier_ma, cut_s=now_s, before_cut_ma=before_cut_ma)


def _seen_ma(image: EvseImage, before: EvseMemory) -> int:
    """What still counts after the last fall, by a reading that is newer than it."""
    reading = image.reading
    if reading is None or reading.current_ma is None or reading.t_s <= (before.cut_s or 0.0):
        return before.counted_ma
    return min(before.counted_ma, reading.current_ma.highest)


def _sampled(point: SupplyPoint, image: EvseImage, memory: EvseMemory) -> EvseMemory:
    reading = image.reading
    if reading is None or reading.current_ma is None:
        return replace(memory, samples=())
    held = [one for one in (image.confirmed_ma, image.commanded_ma) if one is not None]
    lowest_ma = min((memory.set_ma, *held))
    if memory.samples and memory.samples[-1].t_s >= reading.t_s:
        return replace(memory, lowest_ma=min(memory.lowest_ma, lowest_ma))
    drawn = Phases(*(max(0, amount) for amount in point.rotation.to_supply(reading.current_ma)))
    newest = memory.samples[-1:]
    kept = [one for one in memory.samples if one in newest or one.t_s >= reading.t_s - _SAMPLES_FOR_S]
    samples = (*kept, Sample(reading.t_s, drawn))[-_SAMPLES:]
    return replace(memory, samples=samples, lowest_ma=lowest_ma)
