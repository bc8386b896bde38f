"""A charger as the field bus sees it: registers in front of the charge controllers of its outlets."""

import random
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from sim.chargers import ChargeController
from sim.device_profile import DeviceProfile, Register
from sim.events import EventLog
from sim.registers import (
    DEVICE_FAILURE,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Cell,
    RefusedError,
    RegisterMap,
    Value,
    raw_of,
    value_of,
    words_of,
)
from sim.status import plug_value, status_value

TAG_S = 3.0
"""How long a charger shows the card that was held to it, where the tap does not say."""

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
        self._rng = rng
        self._log = log
        self.outlets: dict[int, ChargeController] = {}
        self._map = RegisterMap(profile, ())
        self._stored: dict[Cell, list[int]] = {}
        self._copies: dict[Cell, list[int]] = {}
        """Values of which not all copies have been written yet."""
        self._tags: dict[int, tuple[str, float]] = {}

    def add(self, number: int, controller: ChargeController) -> None:
        self.outlets[number] = controller
        self._map = RegisterMap(self.profile, sorted(self.outlets))

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
        if "rfid_tag" not in self.profile.registers:
            raise ValueError(f"{self.profile.id} has no card reader")
        self._tags[number] = (uid, self._now() + hold_s)

    def register_value(self, number: int, name: str) -> float | None:
        """A numeric register as a reader of the bus would decode it; None where the model lacks it."""
        register = self.profile.registers.get(name)
        if register is None:
            return None
        return value_of(register, words_of(register, self._value(register, number)))

    # Requests.

    def read(self, table: str, address: int, count: int) -> list[int]:
        cells = self._map.span(table, address, count)
        images = {cell: self._image(cell) for cell in cells if cell is not None}
        return [
            0 if cell is None else images[cell][where - cell.start]
            for where, cell in enumerate(cells, start=address)
        ]

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        table = "coil" if function in (5, 15) else "holding"
        cells = self._map.writable(table, address, len(words))
        single = len(words) == 1 and function in (5, 6)
        for cell in cells:
            if cell.register.write_fc is not None and single != (cell.register.write_fc in (5, 6)):
                raise RefusedError(ILLEGAL_FUNCTION)
        for cell in cells:
            if cell.register.repeat > 1:
                self._write_copy(cell, address, words)
            else:
                self._write_cell(cell, list(words[cell.start - address : cell.end - address]))

    def _write_copy(self, cell: Cell, address: int, words: Sequence[int]) -> None:
        """A value that lies there several times counts once all its copies are the same."""
        image = self._copies.pop(cell, None) or self._image(cell)
        place = address - cell.start
        image = [*image[:place], *words, *image[place + len(words) :]]
        if len({tuple(image[start : start + len(words)]) for start in range(0, len(image), len(words))}) == 1:
            self._write_cell(cell, image)
        else:
            self._copies[cell] = image

    def _write_cell(self, cell: Cell, words: list[int]) -> None:
        register = cell.register
        controllers = [self.outlets[cell.outlet]] if cell.outlet else list(self.outlets.values())
        value = value_of(register, words)
        for controller in controllers:
            self._check(register, value, controller)
        outcome = self._mood(controllers[0])
        for controller in controllers:
            self._log.add(
                "write", evse=controller.outlet.name, register=register.name, value=value, outcome=outcome
            )
        if outcome == "refused":
            raise RefusedError(DEVICE_FAILURE)
        if outcome == "ignored":
            return
        self._stored[cell] = words
        for controller in controllers:
            self._act(register, words, controller)

    def _mood(self, controller: ChargeController) -> str:
        """Now and then a charger refuses a good write, or acknowledges it and keeps the old value."""
        if self._rng.random() >= controller.reject_rate:
            return "taken"
        return self._rng.choice(("refused", "ignored"))

    def _check(self, register: Register, value: float, controller: ChargeController) -> None:
        rules = controller.rules
        allowed = register.low is None or register.high is None or register.low <= value <= register.high
        if register.name in ("current_limit", "failsafe_current"):
            zero = value == 0 and (rules.pause == "zero" or register.name == "failsafe_current")
            pause = not isinstance(rules.pause, str) and abs(value - rules.pause) < 1e-6
            allowed = zero or pause or rules.min_a - 1e-6 <= value <= rules.max_a + 1e-6
        elif self.profile.enable is not None and register.name == self.profile.enable.register:
            allowed = value in (self.profile.enable.on, self.profile.enable.off)
        if not allowed:
            raise RefusedError(ILLEGAL_VALUE)

    def _act(self, register: Register, words: Sequence[int], controller: ChargeController) -> None:
        now_s = self._now()
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

    # Values.

    def forget(self) -> None:
        """Lose what was written and is kept nowhere else: mains are gone, or the device restarts."""
        self._stored.clear()
        self._copies.clear()
        self._tags.clear()

    def _image(self, cell: Cell) -> list[int]:
        if cell in self._stored and not self._is_setting(cell.register.name):
            return self._stored[cell]
        if cell.register.masks:
            return self._shared(cell)
        if cell.outlet == 0:
            return words_of(cell.register, self._value(cell.register, next(iter(self.outlets))))
        return words_of(cell.register, self._value(cell.register, cell.outlet))

    def _shared(self, cell: Cell) -> list[int]:
        """A word in which each outlet has some bits of its own."""
        word = 0
        for number in [cell.outlet] if cell.outlet else self.outlets:
            mask = cell.register.mask(number) or 0
            raw = raw_of(cell.register, words_of(cell.register, self._value(cell.register, number)))
            word |= raw * (mask & -mask) & mask
        return words_of(cell.register, word * cell.register.scale)

    def _is_setting(self, name: str) -> bool:
        """Whether the value lives in the charge controller, which may have changed it since the write."""
        enable = self.profile.enable
        return name in _SETTINGS or (enable is not None and name == enable.register)

    def _value(self, register: Register, number: int) -> Value:
        controller = self.outlets[number]
        name, state, enable = register.name, self.profile.state, self.profile.enable
        if state is not None and name == state.register:
            return status_value(self.profile, register, controller)
        if state is not None and name == state.plug_register:
            return plug_value(self.profile, register, controller)
        if enable is not None and name == enable.register:
            return enable.on if controller.enabled else enable.off
        if name == "rfid_tag":
            return self._tag(register, number)
        if name == "comm_remaining":
            return max(0.0, controller.timeout_s - (self._now() - controller.fed_s))
        measured = _measured(register, controller)
        return self.profile.shown.get(name, _idle(register)) if measured is None else measured

    def _tag(self, register: Register, number: int) -> Value:
        uid, until_s = self._tags.get(number, ("", 0.0))
        shown = uid if self._now() < until_s else self.profile.tag_none
        if register.type == "string":
            return shown
        return bytes.fromhex(shown) if _is_hex(shown) else b""


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


def _idle(register: Register) -> Value:
    if register.type in ("string", "bytes"):
        return "SIM" if register.name != "evccid" else ""
    return {"Hz": 50.0, "degC": 25.0}.get(register.unit, 0)


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(digit in "0123456789abcdefABCDEF" for digit in text)
