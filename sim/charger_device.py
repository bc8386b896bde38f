"""A charger as the field bus sees it: registers in front of the charge controllers of its outlets."""

import random
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from sim.chargers import ChargeController
from sim.device_profile import DeviceProfile, Register
from sim.events import EventLog
from sim.register_unit import RegisterUnit
from sim.registers import Value, raw_of, value_of
from sim.status import plug_value, status_value
from sim.tags import TagWindow

Read = Callable[[ChargeController], Value]

_READS: Mapping[str, Read] = {
    "current_limit_readback": lambda c: c.pilot_limit_a,
    "current_signalled": lambda c: c.offered_a,
    "status_bits": lambda c: float(c.outlet.contactor),
    "enable_readback": lambda c: float(c.enabled),
    "comm_timeout_readback": lambda c: c.timeout_s,
    "failsafe_current_readback": lambda c: c.failsafe_a,
    "active_power_total": lambda c: c.outlet.power_w,
    "energy_import_total": lambda c: c.outlet.energy_wh,
    "energy_session": lambda c: c.outlet.session_wh,
    "plug_counter": lambda c: c.outlet.plug_count,
    "max_supported_current": lambda c: c.temper.max_a,
    "max_current_hardware": lambda c: c.temper.max_a,
    "min_current_hardware": lambda c: c.rules.min_a,
    "error_code": lambda c: zlib.crc32("".join(sorted(c.errors)).encode()) % 99 + 1 if c.errors else 0,
}
_PHASED: Mapping[str, Callable[[ChargeController, int], float]] = {
    "current": lambda c, i: c.outlet.conductor_a[i],
    "voltage": lambda c, i: c.outlet.volts if i < len(c.outlet.supply) else 0.0,
    "active_power": lambda c, i: c.outlet.conductor_a[i] * c.outlet.volts,
}


class ChargerDevice:
    """One unit on a bus with one or more outlets, which share its power supply and its field bus."""

    def __init__(
        self, profile: DeviceProfile, *, unit: int, now: Callable[[], float], rng: random.Random, log: EventLog
    ) -> None:
        """Build a device without outlets; `add` them. `now` gives simulated seconds."""
        self.profile = profile
        self.unit = unit
        self.spacing_s = profile.spacing_s
        self._now = now
        self.outlets: dict[int, ChargeController] = {}
        self._registers = RegisterUnit(profile, self, rng=rng, log=log)
        self._tags = TagWindow(profile, now)

    def add(self, number: int, controller: ChargeController) -> None:
        self.outlets[number] = controller
        self._registers.serve(tuple(self.outlets))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(controller.outlet.name for controller in self.outlets.values())

    @property
    def answers(self) -> bool:
        return all(controller.up for controller in self.outlets.values())

    def heard(self) -> None:
        """A valid request for this unit came in."""
        self._feed("any_request", self.outlets.values())

    def show_tag(self, number: int, uid: str, hold_s: float) -> None:
        """Let the charger's own reader show a card.

        Raises:
            ValueError: the model has no reader.
        """
        self._tags.show(number, uid, hold_s)

    def register_value(self, number: int, name: str) -> float | None:
        """A numeric register as a reader of the bus would decode it; None where the model lacks it."""
        return self._registers.register_value(number, name)

    def read(self, table: str, address: int, count: int) -> list[int]:
        return self._registers.read(table, address, count)

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        self._registers.write(function, address, words)

    def forget(self) -> None:
        """Lose what was written and is kept nowhere else: mains are gone, or the device restarts."""
        self._registers.forget()
        self._tags.clear()

    # What its registers ask.

    def name(self, outlet: int) -> str:
        return self.outlets[outlet].outlet.name

    def reject_rate(self, outlet: int) -> float:
        return self.outlets[outlet].reject_rate

    def allows(self, register: Register, value: float, outlet: int) -> bool:
        rules = self.outlets[outlet].rules
        if register.name in ("current_limit", "failsafe_current"):
            zero = value == 0 and (rules.pause == "zero" or register.name == "failsafe_current")
            pause = not isinstance(rules.pause, str) and abs(value - rules.pause) < 1e-6
            return zero or pause or rules.min_a - 1e-6 <= value <= rules.max_a + 1e-6
        if self.profile.enable is not None and register.name == self.profile.enable.register:
            return value in (self.profile.enable.on, self.profile.enable.off)
        return register.low is None or register.high is None or register.low <= value <= register.high

    def act(self, register: Register, words: Sequence[int], outlet: int) -> None:
        now_s, controller = self._now(), self.outlets[outlet]
        value = value_of(register, words)
        enable, watchdog = self.profile.enable, self.profile.watchdog
        if register.name == "current_limit":
            controller.write_limit(value, now_s)
        elif enable is not None and register.name == enable.register:
            controller.write_enabled(raw_of(register, words) == enable.on, now_s)
        elif register.name == "failsafe_current":
            controller.failsafe_a = value
        elif register.name == "comm_timeout":
            if watchdog is None or not watchdog.fixed:
                controller.timeout_s = value
            self._feed("rewrite", [controller])
        elif register.name == "heartbeat" and watchdog is not None and watchdog.hears(raw_of(register, words)):
            self._feed("heartbeat", [controller])

    def _feed(self, method: str, controllers: Iterable[ChargeController]) -> None:
        watchdog = self.profile.watchdog
        if watchdog is not None and watchdog.method == method:
            for controller in controllers:
                controller.feed(self._now())

    def is_setting(self, name: str) -> bool:
        enable = self.profile.enable
        return name in _SETTINGS or (enable is not None and name == enable.register)

    def value(self, register: Register, outlet: int) -> Value:
        controller = self.outlets[outlet]
        name, state, enable = register.name, self.profile.state, self.profile.enable
        if state is not None and name == state.register:
            return status_value(self.profile, register, controller)
        if state is not None and name == state.plug_register:
            return plug_value(self.profile, register, controller)
        if enable is not None and name == enable.register:
            return enable.on if controller.enabled else enable.off
        if name == "rfid_tag":
            return self._tags.value(register, outlet)
        if name == "comm_remaining":
            return max(0.0, controller.timeout_s - (self._now() - controller.fed_s))
        measured = _measured(register, controller)
        return self.profile.shown.get(name, idle_value(register)) if measured is None else measured


_SETTINGS: Mapping[str, Read] = {
    "current_limit": lambda c: c.limit_a,
    "failsafe_current": lambda c: c.failsafe_a,
    "comm_timeout": lambda c: c.timeout_s,
}


def _measured(register: Register, controller: ChargeController) -> Value | None:
    """What the outlet measures or was told."""
    read = _READS.get(register.name) or _SETTINGS.get(register.name)
    if read is not None:
        return read(controller)
    stem, _, phase = register.name.rpartition("_l")
    if stem in _PHASED and phase in ("1", "2", "3"):
        return _PHASED[stem](controller, int(phase) - 1)
    return None


def idle_value(register: Register) -> Value:
    """What a register shows that nothing is simulated for."""
    if register.type in ("string", "bytes"):
        return "SIM" if register.name != "evccid" else ""
    return {"Hz": 50.0, "degC": 25.0}.get(register.unit, 0)
