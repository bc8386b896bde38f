"""An SECC as the field bus sees it: its profile's registers in front of `Secc`."""

import random
from collections.abc import Callable, Mapping, Sequence

from sim.charger_device import idle_value
from sim.dc.secc import Insulation, Phase, Secc
from sim.device_profile import DeviceProfile, Register, SupplyRules
from sim.events import EventLog
from sim.register_unit import RegisterUnit
from sim.registers import Value, raw_of, value_of
from sim.tags import TagWindow

_READS: Mapping[str, Callable[[Secc], Value]] = {
    "target_voltage": lambda s: s.target_v,
    "target_current": lambda s: s.target_a,
    "voltage_dc": lambda s: s.outlet.volts,
    "current_dc": lambda s: s.outlet.amperes,
    "active_power_total": lambda s: s.outlet.power_w,
    "energy_import_total": lambda s: s.outlet.energy_wh,
    "energy_session": lambda s: s.outlet.session_wh,
    "soc": lambda s: 0.0 if s.ev is None else s.ev.soc * 100,
    "error_code": lambda s: s.error_code,
    "plug_counter": lambda s: s.outlet.plug_count % (1 << 16),
    "limit_power": lambda s: s.orders.limit_w,
    "comm_timeout": lambda s: s.orders.timeout_s,
}
_LETTERS = "ABCDEF"
_LIMITS = {"limit_power": "limit_w", "limit_voltage": "limit_v", "limit_current": "limit_a"}
_NO_STAGE = 0
_NO_INSULATION = 0
_BAD_INSULATION = 3


class SeccDevice:
    """One unit with one outlet."""

    def __init__(
        self, profile: DeviceProfile, secc: Secc, *, unit: int, now: Callable[[], float], rng: random.Random,
        log: EventLog,
    ) -> None:  # fmt: skip
        """`now` gives simulated seconds."""
        if profile.supply is None:
            raise ValueError(f"{profile.id} is no SECC")
        self.profile = profile
        self.secc = secc
        self.unit = unit
        self.spacing_s = profile.spacing_s
        self._supply: SupplyRules = profile.supply
        self._now = now
        self._registers = RegisterUnit(profile, self, rng=rng, log=log)
        self._registers.serve((1,))
        self._tags = TagWindow(profile, now)
        self._frozen_image: dict[str, Value] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return (self.secc.outlet.name,)

    @property
    def answers(self) -> bool:
        return self.secc.up

    def heard(self) -> None:
        """Only a write proves that the controller is there."""

    def show_tag(self, uid: str, hold_s: float) -> None:
        """Raises ValueError where the model has no reader."""
        self._tags.show(1, uid, hold_s)

    def register_value(self, name: str) -> float | None:
        return self._registers.register_value(1, name)

    def read(self, table: str, address: int, count: int) -> list[int]:
        self._now()
        return self._registers.read(table, address, count)

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        self._registers.write(function, address, words)

    def forget(self) -> None:
        """Mains are gone, or the device restarts."""
        self._registers.forget()
        self._tags.clear()
        self._frozen_image.clear()

    # What its registers ask.

    def name(self, outlet: int) -> str:
        return self.secc.outlet.name

    def reject_rate(self, outlet: int) -> float:
        return self.secc.reject_rate

    def allows(self, register: Register, value: float, outlet: int) -> bool:
        enable = self.profile.enable
        if enable is not None and register.name == enable.register:
            return value in (enable.on, enable.off)
        return register.low is None or register.high is None or register.low <= value <= register.high

    def act(self, register: Register, words: Sequence[int], outlet: int) -> None:
        """Any write shows that the controller lives; what hangs does not even notice."""
        if self.secc.hung:
            return
        now_s, orders, value = self._now(), self.secc.orders, value_of(register, words)
        orders.feed(now_s)
        enable = self.profile.enable
        if enable is not None and register.name == enable.register:
            self._release(raw_of(register, words) == enable.on, now_s)
        elif register.name in _LIMITS:
            orders.limit(_LIMITS[register.name], value, now_s)
        elif register.name == "comm_timeout":
            orders.timeout_s = value
        elif register.name == "delivered_voltage":
            orders.delivered_v = value
        elif register.name == "delivered_current":
            orders.delivered_a = value

    def _release(self, released: bool, now_s: float) -> None:
        if released and not self.secc.orders.written_enabled:
            self.secc.released()
        self.secc.orders.release(released, now_s)

    def is_setting(self, name: str) -> bool:
        enable = self.profile.enable
        return name == "comm_timeout" or (enable is not None and name == enable.register)

    def hang(self) -> None:
        """Its Modbus stack goes on and shows what was true last."""
        self._frozen_image = {name: self._value(row) for name, row in self.profile.registers.items()}
        self.secc.hung = True

    def value(self, register: Register, outlet: int) -> Value:
        if self.secc.hung:
            return self._frozen_image[register.name]
        return self._value(register)

    def _value(self, register: Register) -> Value:
        name, state, enable = register.name, self.profile.state, self.profile.enable
        if state is not None and name == state.register:
            return next((int(raw) for raw, letter in state.raw.items() if letter == self.secc.letter), 0)
        if enable is not None and name == enable.register:
            return enable.on if self.secc.orders.written_enabled else enable.off
        if name == "rfid_tag":
            return self._tags.value(register, 1)
        said = self._supply_value(name)
        if said is not None:
            return said
        read = _READS.get(name)
        return idle_value(register) if read is None else read(self.secc)

    def _supply_value(self, name: str) -> int | None:
        supply, secc = self._supply, self.secc
        values = {
            supply.alive: secc.alive,
            supply.request: supply.request_on if secc.request else 0,
            supply.contactors: supply.contactors_closed if secc.outlet.contactors.feedback else 0,
            supply.stage: self._stage(),
            supply.insulation: self._insulation(),
        }
        return values.get(name)

    def _stage(self) -> int:
        supply = self._supply
        return {
            Phase.CABLE_CHECK: supply.cable_check, Phase.PRE_CHARGE: supply.pre_charge,
            Phase.CLOSING: supply.pre_charge, Phase.CHARGING: supply.charging,
        }.get(self.secc.phase, _NO_STAGE)  # fmt: skip

    def _insulation(self) -> int:
        supply = self._supply
        return {
            Insulation.TESTING: supply.testing, Insulation.GOOD: supply.good, Insulation.BAD: _BAD_INSULATION,
        }.get(self.secc.insulation, _NO_INSULATION)  # fmt: skip
