"""A circuit's meter of the closed loop: the simulator's instrument, polled by the controller."""

import functools
import random
from dataclasses import dataclass

import sim.wiring
from drivers.api import MeterReading, Phases
from sim.device_profile import DeviceProfile, load_profile
from sim.meters import MeterTemper, SimMeter
from tests.closed_loop.station import VOLTS
from tests.closed_loop.wire import Bus

STEP_MOST_S = 0.5
"""In a longer step the request was made, and answered, within it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """`refresh_s` is the hidden age: the instrument shows what it saw up to so long ago. `noise` is one sigma.

    A reading is stamped as it comes, `transfer_s` after the instrument was asked.
    """

    period_s: float = 1.0
    refresh_s: float = 0.5
    transfer_s: float = 0.05
    noise: float = 0.001
    offset_s: float = 0.0


class Instrument:
    def __init__(
        self, name: str, circuit: sim.wiring.Circuit, sight: Sight, *, bus: Bus, dice: random.Random
    ) -> None:
        self.name = name
        self.circuit = circuit
        self.works = True
        self.bus = bus
        self.reading: MeterReading | None = None
        self.period_s = sight.period_s
        self._sight = sight
        self._meter = SimMeter(
            name, _model(), 1, source=lambda: circuit.drawn_a, temper=MeterTemper(sight.refresh_s, sight.noise),
            volts=VOLTS, energy_wh=0.0, rng=dice,
        )  # fmt: skip
        self._asked_s = 0.0
        self._coming: tuple[float, Phases] | None = None

    def start(self, now_s: float) -> None:
        self._asked_s = now_s + self._sight.offset_s

    def freeze(self) -> None:
        """It goes on answering with what it saw last."""
        self._meter.frozen = True

    def live(self, now_s: float, dt_s: float) -> bool:
        """True when a reading came that is above the rating: the runtime then brings the cycle forward."""
        self._meter.step(now_s, dt_s)
        if now_s >= self._asked_s - 1e-9:
            self._asked_s = max(self._asked_s + self._sight.period_s, now_s + self._sight.period_s / 2)
            if self.works and self.bus.works:
                under_way_s = 0.0 if dt_s > self._sight.transfer_s + STEP_MOST_S else self._sight.transfer_s
                self._coming = (now_s + under_way_s, self._shown())
        if self._coming is None or now_s < self._coming[0] - 1e-9:
            return False
        current, self._coming = self._coming[1], None
        self.reading = MeterReading(now_s, current, round(sum(current) * VOLTS / 1000), signed=True)
        return any(ma > rating * 1000 for ma, rating in zip(current, self.circuit.rating_a, strict=True))

    def _shown(self) -> Phases:
        return Phases(*(round(amps * 1000) for amps in self._meter.look.current_a))


@functools.cache
def _model() -> DeviceProfile:
    return load_profile("eastron-sdm630-v2")
