"""The communication controller of a DC outlet: from the plug to the battery's current, and safely back.

    plug -> release -> cable check (insulation under voltage) -> pre-charge (the battery's voltage at the outlet)
    -> contactors close -> charging -> stop: less than 1 A, then contactors open

It asks for voltage and current; who delivers them is not its business. All times are simulated seconds.
"""

import enum
import random

from sim.chargers import Temper
from sim.dc.orders import Orders
from sim.dc.outlet import DcOutlet
from sim.dc.vehicle import LETS_GO_A, DcEv
from sim.events import EventLog
from sim.physics import Mood

BEAT_S = 0.1
PREPARE_A = 2.0
CHECKED_S = 1.0
"""The insulation is measured so long at full voltage."""
CHECK_RATIO = 0.9
CABLE_CHECK_S = 40.0
MATCH_V = 20.0
MATCHED_S = 0.3
PRE_CHARGE_S = 10.0
CLOSING_S = 1.0
STOPPING_S = 3.0
EMERGENCY_S = 1.0
"""After that the contactors open, whatever flows."""


class Phase(enum.Enum):
    IDLE = "idle"
    CABLE_CHECK = "cable_check"
    PRE_CHARGE = "pre_charge"
    CLOSING = "closing"
    CHARGING = "charging"
    STOPPING = "stopping"


class Insulation(enum.Enum):
    UNKNOWN = "unknown"
    TESTING = "testing"
    GOOD = "good"
    BAD = "bad"


ERRORS = {
    "insulation": 11, "cable_check_voltage": 12, "pre_charge_voltage": 13, "contactor_not_closed": 14,
    "contactor_welded": 15, "vehicle": 16, "communication": 17, "external": 18,
}  # fmt: skip
PREPARING = (Phase.CABLE_CHECK, Phase.PRE_CHARGE, Phase.CLOSING)
ENERGISED = (*PREPARING, Phase.CHARGING)


class Secc:
    """One controller with its outlet. `orders` is what the site's controller wrote."""

    def __init__(self, outlet: DcOutlet, temper: Temper, *, rng: random.Random, log: EventLog) -> None:
        """Build one that came up long ago, locked, with nothing allowed."""
        self.outlet = outlet
        self.temper = temper
        self.rng = rng
        self.orders = Orders(temper.latency_s, rng)
        self.reject_rate = temper.reject_rate
        self.phase = Phase.IDLE
        self.insulation = Insulation.UNKNOWN
        self.error: str | None = None
        """Bars a new session until the plug is pulled or the release comes anew."""
        self.errors: set[str] = set()
        """Set from outside; each stops it while it lasts."""
        self.alive = 0
        self.powered = True
        self.booting_until_s: float | None = None
        self.watchdog_works = True
        self.insulation_fails = False
        self.frozen = False
        """Its logic goes on, but the counter that proves it does not."""
        self.hung = False
        """Nothing goes on behind its Modbus stack."""
        self.forced_v: float | None = None
        self.forced_a: float | None = None
        self._log = log
        self._since_s = 0.0
        self._good_s = 0.0
        self._beat_s = 0.0
        self._was: tuple[str, str, bool] = ("A", "idle", False)

    # What it tells.

    @property
    def up(self) -> bool:
        return self.powered and self.booting_until_s is None

    @property
    def ev(self) -> DcEv | None:
        return self.outlet.ev

    @property
    def letter(self) -> str:
        """Pilot state of IEC 61851-1."""
        if self.error is not None or self.errors:
            return "F"
        if self.ev is None:
            return "A"
        if self.ev.mood is Mood.FAULT:
            return "E"
        return "C" if self.phase in ENERGISED else "B"

    @property
    def error_code(self) -> int:
        return ERRORS[self.error] if self.error is not None else ERRORS["external"] if self.errors else 0

    @property
    def request(self) -> bool:
        return self.phase in ENERGISED

    @property
    def target_v(self) -> float:
        if not self.request or self.ev is None:
            return 0.0
        if self.forced_v is not None:
            return self.forced_v
        wanted_v = self.ev.open_v if self.phase in (Phase.PRE_CHARGE, Phase.CLOSING) else self.ev.max_v
        return min(wanted_v, self.orders.limit_v)

    @property
    def target_a(self) -> float:
        if not self.request or self.ev is None:
            return 0.0
        if self.phase is not Phase.CHARGING:
            return PREPARE_A
        return self.ev.demand_a if self.forced_a is None else self.forced_a

    # What is done to it.

    def released(self) -> None:
        """A release that is written anew lets it try again."""
        if not self.outlet.contactors.welded:
            self.error = None

    def unplugged(self) -> None:
        self.phase, self.insulation = Phase.IDLE, Insulation.UNKNOWN
        self.outlet.contactors.commanded = False
        if not self.outlet.contactors.welded:
            self.error = None

    def mains(self, on: bool, now_s: float) -> None:
        if not on:
            self.powered = False
            self._fall()
        elif not self.powered:
            self.powered = True
            self.booting_until_s = now_s + self.temper.boot_s

    def reboot(self, now_s: float) -> None:
        self._fall()
        self.booting_until_s = now_s + self.temper.boot_s
        self._log.add("reboot", evse=self.outlet.name)

    def _fall(self) -> None:
        """Its outputs are gone, and all that it knew."""
        self.outlet.contactors.drop(self.outlet.amperes)
        self.phase, self.insulation, self.error = Phase.IDLE, Insulation.UNKNOWN, None
        self.hung = False
        self.orders = Orders(self.temper.latency_s, self.rng)

    # Time.

    def step(self, now_s: float) -> None:
        """Bring the controller to `now_s`, before the EV moves."""
        if self.booting_until_s is not None and self.powered and now_s >= self.booting_until_s:
            self.booting_until_s = None
            self.orders.fed_s = now_s
            self._log.add("up", evse=self.outlet.name, offered_a=0.0)
        if not self.up or self.hung:
            return
        self._beat(now_s)
        if self.orders.step(now_s, watched=self.watchdog_works):
            self.error = "communication"
            self._log.add("watchdog_expired", evse=self.outlet.name, failsafe_a=0.0)
        if self.ev is not None:
            self.ev.hear(now_s, offered_a=self.orders.limit_a, offered_w=self.orders.limit_w)
        self._live(now_s)

    def _beat(self, now_s: float) -> None:
        if now_s - self._beat_s >= BEAT_S - 1e-9:
            self._beat_s = now_s
            if not self.frozen:
                self.alive = (self.alive + 1) % (1 << 16)

    def _live(self, now_s: float) -> None:
        """One look at everything; a reason to stop comes before any step forward."""
        ev = self.ev
        if ev is None:
            return
        if self.phase in ENERGISED and self._must_stop(ev):
            self._enter(Phase.STOPPING, now_s)
        match self.phase:
            case Phase.IDLE:
                self._wait(ev, now_s)
            case Phase.CABLE_CHECK:
                self._check_cable(now_s)
            case Phase.PRE_CHARGE:
                self._pre_charge(ev, now_s)
            case Phase.CLOSING:
                self._close(ev, now_s)
            case Phase.STOPPING:
                self._stop(ev, now_s)

    def _must_stop(self, ev: DcEv) -> bool:
        if self.phase is Phase.CHARGING:
            self._watch_charging()
        if ev.mood is Mood.FAULT:
            self.error = "vehicle"
        return not self.orders.enabled or not ev.wants or self.error is not None or bool(self.errors)

    def _watch_charging(self) -> None:
        if self.insulation_fails:
            self.insulation = Insulation.BAD
            self.error = "insulation"
        elif not self.outlet.contactors.feedback:
            self.error = "contactor_not_closed"

    def _wait(self, ev: DcEv, now_s: float) -> None:
        barred = self.error is not None or self.errors or self.outlet.contactors.feedback
        if self.orders.enabled and ev.wants and not barred:
            self.insulation = Insulation.TESTING
            self._enter(Phase.CABLE_CHECK, now_s)

    def _check_cable(self, now_s: float) -> None:
        if self._holds(self.outlet.volts >= CHECK_RATIO * self.target_v > 0, CHECKED_S, now_s):
            if self.insulation_fails:
                self.insulation = Insulation.BAD
                self._fail("insulation", now_s)
            else:
                self.insulation = Insulation.GOOD
                self._enter(Phase.PRE_CHARGE, now_s)
        elif now_s - self._since_s > CABLE_CHECK_S:
            self._fail("cable_check_voltage", now_s)

    def _pre_charge(self, ev: DcEv, now_s: float) -> None:
        if self._holds(abs(self.outlet.volts - ev.open_v) <= MATCH_V, MATCHED_S, now_s):
            self.outlet.contactors.commanded = True
            self._enter(Phase.CLOSING, now_s)
        elif now_s - self._since_s > PRE_CHARGE_S:
            self._fail("pre_charge_voltage", now_s)

    def _close(self, ev: DcEv, now_s: float) -> None:
        if self.outlet.contactors.feedback:
            ev.close()
            self._enter(Phase.CHARGING, now_s)
        elif now_s - self._since_s > CLOSING_S:
            self._fail("contactor_not_closed", now_s)

    def _stop(self, ev: DcEv, now_s: float) -> None:
        """Wait until hardly anything flows; a supply that goes on delivering gets no more than some seconds."""
        lasted_s = now_s - self._since_s
        patience_s = EMERGENCY_S if self.error is not None or self.errors else STOPPING_S
        contactors = self.outlet.contactors
        if contactors.commanded and (self.outlet.amperes < LETS_GO_A or lasted_s > patience_s):
            contactors.commanded = False
        if not contactors.commanded and not contactors.closed:
            ev.open()
            if self.insulation is not Insulation.BAD:
                self.insulation = Insulation.UNKNOWN
            self._enter(Phase.IDLE, now_s)
        elif lasted_s > patience_s + CLOSING_S:
            self.error = "contactor_welded"
            ev.open()
            self._enter(Phase.IDLE, now_s)

    def _fail(self, error: str, now_s: float) -> None:
        self.error = error
        self._log.add("secc_error", evse=self.outlet.name, error=error)
        self._enter(Phase.STOPPING, now_s)

    def _holds(self, true: bool, long_s: float, now_s: float) -> bool:
        """Whether something has been true for so long."""
        if not true:
            self._good_s = now_s
        return now_s - self._good_s >= long_s

    def _enter(self, phase: Phase, now_s: float) -> None:
        self.phase = phase
        self._since_s = self._good_s = now_s

    def note(self) -> None:
        """Record what an observer at the outlet would have seen change."""
        now = (self.letter, self.phase.value, self.outlet.contactors.closed)
        if now != self._was:
            self._was = now
            self._log.add("outlet", evse=self.outlet.name, pilot=now[0], phase=now[1], contactor=now[2])
