"""EVs and the outlets that they hang on.

An EV sees two things of its charger: the current that the pilot offers, and whether mains are there.
It answers with S2 (`asking`: pilot state C) and with the current it draws.
"""

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

STEP_S = 0.05
"""Simulated seconds of one step, whatever the clock's scale."""

MIN_A = 6.0
"""IEC 61851-1: the least current that a pilot can offer."""

TAPER_FROM = 0.9
"""State of charge above which an EV takes less and less."""

TRICKLE_A = 1.0


class Mood(enum.Enum):
    READY = "ready"
    SUSPENDED = "suspended"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class EvSpec:
    """What is plugged in. `conductors` are the outlet's conductors (0, 1, 2) that the EV loads."""

    max_a: float
    conductors: tuple[int, ...]
    soc: float
    capacity_wh: float
    ramp_s: float
    """From a changed pilot to the current that follows it."""
    delay_s: float
    """From the first offer to the moment the EV asks for it."""
    evccid: str | None = None
    dead_s: float = 0.0
    """Nothing is done about a changed pilot before that; IEC 61851-1 allows 5 s, the ramp included."""


class Ev:
    """One plugged-in EV. Currents are per conductor in use."""

    def __init__(self, spec: EvSpec) -> None:
        self.spec = spec
        self.soc = spec.soc
        self.mood = Mood.READY
        self.draw_a: float | None = None
        self.draw_w: float | None = None
        self.overdraw_ratio = 1.0
        self.ignores_limit = False
        self.asking = False
        self.current_a = 0.0
        self._lived_s = 0.0
        self._pilot_a = 0.0
        self._noticed_a = 0.0
        self._unnoticed: deque[tuple[float, float]] = deque()
        self._waited_s = 0.0
        self._goal_a = 0.0
        self._ramped_a = 0.0
        self._rate = 0.0

    @property
    def full(self) -> bool:
        return self.soc >= 1.0

    def step(self, dt_s: float, *, offered_a: float, live: bool, welded: bool, volts: float) -> None:
        """Live through one step. `live`: mains reach the EV; `welded`: because they cannot be cut."""
        offered_a = self._notice(dt_s, offered_a)
        wants = self.mood is Mood.READY and not self.full and offered_a >= MIN_A
        self._waited_s = self._waited_s + dt_s if wants else 0.0
        goal_a = self._goal(offered_a, wants, volts) if live else 0.0
        if live and welded and not wants and self.mood is Mood.READY:
            goal_a = min(self.spec.max_a, MIN_A)
        self._ramp(goal_a, dt_s)
        self.current_a = min(self._ramped_a, self._most_a()) if live else 0.0
        if wants:
            self.asking = self._waited_s > self.spec.delay_s
        elif self.mood is Mood.FAULT or self.current_a < 0.05:
            self.asking = False
        self._charge(dt_s, volts)

    def _notice(self, dt_s: float, offered_a: float) -> float:
        """The pilot as it was `dead_s` ago. A change has come at the beginning of the step that shows it."""
        if offered_a != self._pilot_a:
            self._pilot_a = offered_a
            self._unnoticed.append((self._lived_s + self.spec.dead_s, offered_a))
        while self._unnoticed and self._unnoticed[0][0] <= self._lived_s + 1e-9:
            self._noticed_a = self._unnoticed.popleft()[1]
        self._lived_s += dt_s
        return self._noticed_a

    def _goal(self, offered_a: float, wants: bool, volts: float) -> float:
        """What the EV steers for, before its battery has a say."""
        if not wants:
            return 0.0
        amps = self.spec.max_a if self.ignores_limit else min(offered_a, self.spec.max_a)
        if self.draw_a is not None:
            amps = min(amps, self.draw_a)
        if self.draw_w is not None:
            amps = min(amps, self.draw_w / (volts * len(self.spec.conductors)))
        return amps * self.overdraw_ratio

    def _ramp(self, goal_a: float, dt_s: float) -> None:
        """Follow the goal so that a change is done `ramp_s` after it, also when another one follows."""
        if goal_a != self._goal_a:
            needed = abs(goal_a - self._ramped_a) / max(self.spec.ramp_s, dt_s)
            same_way = (goal_a > self._ramped_a) == (self._goal_a > self._ramped_a)
            self._rate = max(needed, self._rate) if same_way else needed
            self._goal_a = goal_a
        step_a = self._rate * dt_s
        gap_a = goal_a - self._ramped_a
        self._ramped_a = (
            goal_a if abs(gap_a) <= step_a + 1e-9 else self._ramped_a + (step_a if gap_a > 0 else -step_a)
        )
        if self._ramped_a == goal_a:
            self._rate = 0.0

    def _most_a(self) -> float:
        """What the battery still takes."""
        if self.full:
            return 0.0
        most_a = self.spec.max_a * max(self.overdraw_ratio, 1.0)
        if self.soc <= TAPER_FROM:
            return most_a
        return max(TRICKLE_A, most_a * (1.0 - self.soc) / (1.0 - TAPER_FROM))

    def _charge(self, dt_s: float, volts: float) -> None:
        taken_wh = self.current_a * len(self.spec.conductors) * volts * dt_s / 3600
        self.soc = min(1.0, self.soc + taken_wh / self.spec.capacity_wh)


class Outlet:
    """The place where an EV plugs in: contactor, conductors and the energy that went through."""

    def __init__(self, name: str, circuit: str, *, supply: Sequence[int], volts: float, energy_wh: float) -> None:
        """Wire conductor i of the outlet to supply phase `supply[i]`; it has passed `energy_wh` so far."""
        self.name = name
        self.circuit = circuit
        self.supply = tuple(supply)
        self.volts = volts
        self.ev: Ev | None = None
        self.contactor = False
        self.welded = False
        self.energy_wh = energy_wh
        self.session_wh = 0.0
        self.plug_count = 0
        self.conductor_a = [0.0, 0.0, 0.0]
        self.drawn_a = [0.0, 0.0, 0.0]
        """As the supply sees it."""

    @property
    def power_w(self) -> float:
        return sum(self.conductor_a) * self.volts

    def plug_in(self, ev: Ev) -> None:
        self.ev = ev
        self.session_wh = 0.0
        self.plug_count += 1

    def unplug(self) -> None:
        self.ev = None
        self._measure()

    def step(self, dt_s: float, *, offered_a: float, powered: bool) -> None:
        """Let the EV live one step and count its energy."""
        live = self.contactor and powered
        if self.ev is not None:
            offered_a = offered_a if powered else 0.0
            self.ev.step(dt_s, offered_a=offered_a, live=live, welded=self.welded, volts=self.volts)
        self._measure()
        wh = self.power_w * dt_s / 3600
        self.energy_wh += wh
        self.session_wh += wh

    def _measure(self) -> None:
        self.conductor_a = [0.0, 0.0, 0.0]
        self.drawn_a = [0.0, 0.0, 0.0]
        if self.ev is None:
            return
        for conductor in self.ev.spec.conductors:
            self.conductor_a[conductor] = self.ev.current_a
            self.drawn_a[self.supply[conductor]] = self.ev.current_a


def supply_phases(rotation: str) -> tuple[int, ...]:
    """The supply phase (0, 1, 2) of each conductor: "L2L3L1" -> (1, 2, 0), "L2" -> (1,).

    Raises:
        ValueError: not made of different L1, L2 and L3.
    """
    parts = [rotation[i : i + 2] for i in range(0, len(rotation), 2)]
    if not parts or len(set(parts)) != len(parts) or not set(parts) <= {"L1", "L2", "L3"}:
        raise ValueError(f"{rotation!r} is no rotation such as L1L2L3 or L2")
    return tuple(int(part[1]) - 1 for part in parts)
