"""An EV that charges with DC: a battery with a voltage, and a computer that asks for current every few tenths."""

from dataclasses import dataclass

from sim.physics import Mood

TAPER_FROM = 0.7
TRICKLE = 0.08
"""Of the largest current, just before the battery is full."""
RISE_OVER_SOC = 0.15
"""How much higher the open voltage of a full battery is than that of an empty one."""
CV_MARGIN_V = 5.0
TRIPS_A = 10.0
TRIPS_RATIO = 1.1
TRIPS_S = 2.0
"""More than it asked for, for so long: it stops by itself."""
PATIENCE_S = 2.0
"""Without a word of the SECC it stops by itself."""
GRACE_S = 1.0
"""From its emergency stop to its contactors, whatever flows then (IEC 61851-23: the supply has 1 s)."""
LETS_GO_A = 1.0


@dataclass(frozen=True, slots=True)
class DcEvSpec:
    """`battery_v` is the open voltage at the charge that it comes with."""

    battery_v: float
    max_a: float
    soc: float
    capacity_wh: float
    ohms: float = 0.05
    ramp_a_s: float = 40.0
    demand_s: float = 0.25
    evccid: str | None = None


class DcEv:
    """One EV at the cable. `step` is its physics, `hear` its conversation with the SECC."""

    def __init__(self, spec: DcEvSpec) -> None:
        self.spec = spec
        self.soc = spec.soc
        self.mood = Mood.READY
        self.draw_a: float | None = None
        self.draw_w: float | None = None
        self.overdraw_ratio = 1.0
        self.ignores_limit = False
        self.closed = False
        """Its own contactors, between inlet and battery."""
        self.demand_a = 0.0
        self.stopped_by = ""
        self._heard_s: float | None = None
        self._asked_s = 0.0
        self._too_much_s = 0.0
        self._failing_s = 0.0

    @property
    def full(self) -> bool:
        return self.soc >= 1.0

    @property
    def wants(self) -> bool:
        return self.mood is Mood.READY and not self.full

    @property
    def open_v(self) -> float:
        return self.spec.battery_v * (1 + RISE_OVER_SOC * (self.soc - self.spec.soc))

    @property
    def max_v(self) -> float:
        """The voltage that it asks to be charged with: its battery's when full, and a little."""
        return self.spec.battery_v * (1 + RISE_OVER_SOC * (1 - self.spec.soc)) + CV_MARGIN_V

    def hear(self, now_s: float, *, offered_a: float, offered_w: float) -> None:
        """The SECC tells what it can deliver; now and then a new demand is the answer."""
        self._heard_s = now_s
        if now_s - self._asked_s < self.spec.demand_s:
            return
        since_s, self._asked_s = now_s - self._asked_s, now_s
        goal_a = self._goal_a(min(offered_a, offered_w / self.open_v))
        self.demand_a = min(goal_a, self.demand_a + self.spec.ramp_a_s * min(since_s, 1.0))

    def _goal_a(self, offered_a: float) -> float:
        if not (self.wants and self.closed):
            return 0.0
        amperes = self._most_a()
        if self.draw_a is not None:
            amperes = min(amperes, self.draw_a)
        if self.draw_w is not None:
            amperes = min(amperes, self.draw_w / self.open_v)
        if not self.ignores_limit:
            amperes = min(amperes, offered_a)
        return amperes * self.overdraw_ratio

    def _most_a(self) -> float:
        if self.soc <= TAPER_FROM:
            return self.spec.max_a
        return self.spec.max_a * max(TRICKLE, (1 - self.soc) / (1 - TAPER_FROM))

    def step(self, now_s: float, dt_s: float, *, volts: float, amperes: float, asked_a: float) -> float:
        """Live through one step; returns what its own contactors break while they open, else 0."""
        self.soc = min(1.0, self.soc + volts * amperes * dt_s / 3600 / self.spec.capacity_wh)
        if self.closed:
            self._watch(now_s, dt_s, amperes - max(asked_a * TRIPS_RATIO, asked_a + TRIPS_A))
        if self.mood is not Mood.FAULT or not self.closed:
            self._failing_s = 0.0
            return 0.0
        self.demand_a = 0.0
        self._failing_s += dt_s
        if amperes >= LETS_GO_A and self._failing_s < GRACE_S:
            return 0.0
        self.closed = False
        return amperes

    def _watch(self, now_s: float, dt_s: float, surplus_a: float) -> None:
        self._too_much_s = self._too_much_s + dt_s if surplus_a > 0 else 0.0
        if self._too_much_s > TRIPS_S:
            self.fail("over_current")
        elif self._heard_s is not None and now_s - self._heard_s > PATIENCE_S:
            self.fail("silence")

    def close(self) -> None:
        """Its contactors close with those of the outlet."""
        self.closed = self.mood is not Mood.FAULT

    def open(self) -> None:
        self.closed = False
        self.demand_a = 0.0

    def fail(self, why: str) -> None:
        """Emergency stop: nothing is wanted any more, and the contactors follow."""
        if self.mood is not Mood.FAULT:
            self.mood = Mood.FAULT
            self.stopped_by = why
