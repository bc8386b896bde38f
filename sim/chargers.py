"""The charge controller of one outlet: setpoint, release, watchdog, pilot and contactor."""

import random
from dataclasses import dataclass

from sim.device_profile import DeviceProfile
from sim.events import EventLog
from sim.physics import MIN_A, Mood, Outlet

OPEN_AFTER_S = 3.0
"""A contactor opens that long after the offer was withdrawn, whether the EV has let go or not."""

INFORMATION_ONLY = frozenset({"NoInternet", "WeakSignal", "CableOverTempDerate"})
"""Errors that a charger reports without stopping."""


@dataclass(frozen=True, slots=True)
class Temper:
    """How a simulated charger differs from its data sheet."""

    max_a: float
    power_up_a: float
    latency_s: float
    reject_rate: float
    boot_s: float


@dataclass(frozen=True, slots=True)
class Order:
    """A setpoint on its way to the pilot."""

    due_s: float
    limit_a: float
    enabled: bool


class ChargeController:
    """What an outlet's electronics decide. All times are simulated seconds."""

    def __init__(
        self, profile: DeviceProfile, outlet: Outlet, temper: Temper, *, rng: random.Random, log: EventLog
    ) -> None:
        """Build a controller that came up long ago with nothing set."""
        if profile.setpoint is None:
            raise ValueError(f"{profile.id} takes no setpoint")
        self.profile = profile
        self.outlet = outlet
        self.temper = temper
        self.rng = rng
        self.rules = profile.setpoint
        self._log = log
        self.latency_s = temper.latency_s
        self.reject_rate = temper.reject_rate
        self.watchdog_works = True
        self.stuck_a: float | None = None
        self.errors: set[str] = set()
        self.powered = True
        self.booting_until_s: float | None = None
        self.timeout_s = 0.0
        self.failsafe_a = 0.0
        self.limit_a = 0.0
        self.enabled = True
        self.expired = False
        self.fed_s = 0.0
        self.pilot_limit_a = 0.0
        self.pilot_enabled = True
        self._orders: list[Order] = []
        self._withdrawn_s = 0.0
        self._was: tuple[str, float, bool] = ("A", 0.0, False)
        self.reset(0.0)

    # What the field bus and the site's mains do to it.

    def reset(self, now_s: float) -> None:
        """Start up as mains return: the setpoint is lost, and so is what the model keeps in RAM."""
        power_up_a = self.temper.power_up_a
        by_release = self.rules.pause == "disable" and self.profile.enable is not None
        self.enabled = power_up_a > 0 or not by_release
        self.limit_a = self.temper.max_a if power_up_a <= 0 and by_release else power_up_a
        self._reset_watchdog()
        self.expired = False
        self.fed_s = now_s
        self._orders.clear()
        self.pilot_limit_a, self.pilot_enabled = self.limit_a, self.enabled

    def _reset_watchdog(self) -> None:
        """`rewrite` models keep their fail-safe settings; the others start with the factory's.

        Where no master can write it, the installer has set the fail-safe current to the minimum.
        """
        watchdog = self.profile.watchdog
        if watchdog is not None and watchdog.method != "rewrite":
            self.timeout_s = watchdog.timeout_s
            register = self.profile.registers.get("failsafe_current")
            self.failsafe_a = self.rules.min_a if register is not None and not register.writable else 0.0

    def write_limit(self, amps: float, now_s: float) -> None:
        self.limit_a = amps
        if self.expired:
            self.expired = False
            self._log.add("watchdog_left", evse=self.outlet.name)
        self.fed_s = now_s
        self._order(now_s)

    def write_enabled(self, enabled: bool, now_s: float) -> None:
        self.enabled = enabled
        self._order(now_s)

    def feed(self, now_s: float) -> None:
        """The watchdog saw a sign of life. An expired one stays so until a setpoint follows."""
        self.fed_s = now_s

    def mains(self, on: bool, now_s: float) -> None:
        if on and not self.powered:
            self.powered = True
            self._boot(now_s)
        elif not on:
            self.powered = False
            self._open_contactor()

    def reboot(self, now_s: float) -> None:
        self._boot(now_s)
        self._log.add("reboot", evse=self.outlet.name)

    def _boot(self, now_s: float) -> None:
        self.booting_until_s = now_s + self.temper.boot_s
        self._open_contactor()

    def weld(self, welded: bool) -> None:
        self.outlet.welded = welded
        self.outlet.contactor = self.outlet.contactor or welded

    def stick(self, stuck: bool) -> None:
        """A stuck controller takes and repeats setpoints, but its pilot stays; the release still works."""
        self.stuck_a = self.pilot_limit_a if stuck else None

    # What it tells.

    @property
    def up(self) -> bool:
        return self.powered and self.booting_until_s is None

    @property
    def offered_a(self) -> float:
        """What the pilot offers now: 0 is steady 12 V, whether an EV is there or not."""
        if not self.up or self.stopped or not self.pilot_enabled:
            return 0.0
        amps = self.pilot_limit_a if self.stuck_a is None else self.stuck_a
        return amps if amps >= MIN_A else 0.0

    @property
    def stopped(self) -> bool:
        return bool(self.errors - INFORMATION_ONLY)

    @property
    def letter(self) -> str:
        """Pilot state of IEC 61851-1."""
        ev = self.outlet.ev
        if self.stopped:
            return "F"
        if ev is None:
            return "A"
        if ev.mood is Mood.FAULT:
            return "E"
        return "C" if ev.asking else "B"

    # Time.

    def step(self, now_s: float) -> None:
        """Bring the electronics to `now_s`, before the EV moves."""
        if self.booting_until_s is not None and now_s >= self.booting_until_s and self.powered:
            self.booting_until_s = None
            self.reset(now_s)
            self._log.add("up", evse=self.outlet.name, offered_a=self.offered_a)
        if not self.up:
            return
        self._watch(now_s)
        while self._orders and self._orders[0].due_s <= now_s:
            order = self._orders.pop(0)
            self.pilot_limit_a, self.pilot_enabled = order.limit_a, order.enabled
        self._switch(now_s)

    def _watch(self, now_s: float) -> None:
        timeout_s = self.timeout_s
        watched = self.profile.watchdog is not None and self.watchdog_works and timeout_s > 0
        if watched and not self.expired and now_s - self.fed_s > timeout_s:
            self.expired = True
            self._log.add("watchdog_expired", evse=self.outlet.name, failsafe_a=self.failsafe_a)
            self._order(now_s)

    def _order(self, now_s: float) -> None:
        """Send limit and release towards the pilot, behind whatever is on its way already."""
        due_s = now_s + self.latency_s * self.rng.uniform(0.5, 1.0)
        if self._orders:
            due_s = max(due_s, self._orders[-1].due_s)
        limit_a = self.failsafe_a if self.expired else self.limit_a
        self._orders.append(Order(due_s, self._grid(limit_a), self.enabled))

    def _grid(self, amps: float) -> float:
        """What the pilot makes of a limit: never above the hardware, in whole steps, paused below the minimum."""
        pause = self.rules.pause
        if amps < self.rules.min_a or (not isinstance(pause, str) and amps <= pause):
            return 0.0
        steps = round(amps / self.rules.step_a, 6) // 1
        return float(min(steps * self.rules.step_a, self.temper.max_a))

    def _switch(self, now_s: float) -> None:
        letter, offered_a = self.letter, self.offered_a
        if offered_a > 0:
            self._withdrawn_s = now_s
        if letter == "C" and offered_a > 0:
            self.outlet.contactor = True
        elif letter != "C" or now_s - self._withdrawn_s >= OPEN_AFTER_S:
            self._open_contactor()

    def _open_contactor(self) -> None:
        self.outlet.contactor = self.outlet.welded

    def note(self) -> None:
        """Record what an observer at the outlet would have seen change."""
        now = (self.letter, round(self.offered_a, 3), self.outlet.contactor)
        if now == self._was:
            return
        self._was = now
        self._log.add("outlet", evse=self.outlet.name, pilot=now[0], offered_a=now[1], contactor=now[2])
