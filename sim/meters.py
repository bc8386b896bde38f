"""Energy meters: what a circuit or an outlet carries, seen through a real instrument.

A meter looks at its conductors every `refresh_s`, with a little error, and shows that until it looks again.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.device_profile import DeviceProfile, Register
from sim.registers import ILLEGAL_ADDRESS, RefusedError, RegisterMap, Value, value_of, words_of


@dataclass(frozen=True, slots=True)
class Look:
    """One refresh. Powers are signed; `import_wh` and `export_wh` are the two counters."""

    current_a: tuple[float, float, float]
    power_w: tuple[float, float, float]
    volts: float
    import_wh: float
    export_wh: float


@dataclass(frozen=True, slots=True)
class MeterTemper:
    """How a simulated meter is wired and how well it measures. `noise` is relative, one sigma."""

    refresh_s: float
    noise: float
    ct_ratio: float = 1.0
    reversed: bool = False


class SimMeter:
    """One meter on a bus."""

    def __init__(
        self,
        name: str,
        profile: DeviceProfile,
        unit: int,
        *,
        source: Callable[[], Sequence[float]],
        temper: MeterTemper,
        volts: float,
        energy_wh: float,
        rng: random.Random,
    ) -> None:
        """`source` gives the signed currents of the metered conductors."""
        self.name = name
        self.profile = profile
        self.unit = unit
        self.spacing_s = profile.spacing_s
        self.powered = True
        self.frozen = False
        self.power_w: float | None = None
        """Shown instead of the truth, if set."""
        self.step_w = 0.0
        self._source = source
        self._temper = temper
        self._volts = volts
        self._rng = rng
        self._map = RegisterMap(profile, (1,))
        self._import_wh = energy_wh
        self._export_wh = 0.0
        self._look_at_s = 0.0
        self.look = self._see()

    def refresh(self) -> None:
        """Look now, whatever was seen before; a frozen meter shows what it saw when it froze."""
        self.look = self._see()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def answers(self) -> bool:
        return self.powered

    @property
    def ct_ratio(self) -> float:
        return self._temper.ct_ratio

    @property
    def energy_wh(self) -> float:
        """The import counter's truth."""
        return self._import_wh

    @energy_wh.setter
    def energy_wh(self, energy_wh: float) -> None:
        self._import_wh = energy_wh

    def step(self, now_s: float, dt_s: float) -> None:
        """Count energy; look again when it is time."""
        if not self.powered or self.frozen:
            return
        wh = sum(self._signed_w()) * dt_s / 3600
        if wh >= 0:
            self._import_wh += wh
        else:
            self._export_wh -= wh
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + self._temper.refresh_s
            self.look = self._see()

    def heard(self) -> None:
        """Nothing in a meter waits for requests."""

    def read(self, table: str, address: int, count: int) -> list[int]:
        cells = self._map.span(table, address, count)
        images = {c: words_of(c.register, self._value(c.register)) for c in cells if c is not None}
        return [0 if c is None else images[c][a - c.start] for a, c in enumerate(cells, start=address)]

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        raise RefusedError(ILLEGAL_ADDRESS)

    def register_value(self, name: str) -> float | None:
        """A register as a reader of the bus would decode it, without its ct ratio; None where there is none."""
        register = self.profile.registers.get(name)
        return None if register is None else value_of(register, words_of(register, self._value(register)))

    def _signed_w(self) -> list[float]:
        sign = -1.0 if self._temper.reversed else 1.0
        if self.power_w is not None:
            return [sign * (self.power_w + self.step_w) / 3] * 3
        return [sign * (amps * self._volts + self.step_w / 3) for amps in self._source()]

    def _see(self) -> Look:
        noisy = [w * self._rng.gauss(1.0, self._temper.noise) for w in self._signed_w()]
        ratio = self._temper.ct_ratio
        l1, l2, l3 = (w / ratio for w in noisy)
        volts = self._volts
        return Look(
            (l1 / volts, l2 / volts, l3 / volts), (l1, l2, l3), volts,
            self._import_wh / ratio, self._export_wh / ratio,
        )  # fmt: skip

    def _value(self, register: Register) -> Value:
        look = self.look
        stem, _, place = register.name.rpartition("_")
        phase = {"l1": 0, "l2": 1, "l3": 2}.get(place)
        match stem, phase:
            case "current", int(i):
                # Instruments that count in unsigned or float registers show the magnitude only.
                return look.current_a[i] if register.type.startswith("s") else abs(look.current_a[i])
            case "active_power", int(i):
                return look.power_w[i]
            case "apparent_power", int(i):
                return abs(look.power_w[i])
            case "voltage", int():
                return look.volts
        return self._total(register)

    def _total(self, register: Register) -> Value:
        look = self.look
        values = {
            "active_power_total": sum(look.power_w),
            "active_power_export_total": -sum(look.power_w),
            "apparent_power_total": sum(abs(w) for w in look.power_w),
            "energy_import_total": look.import_wh,
            "energy_export_total": look.export_wh,
            "energy_abs_total": look.import_wh + look.export_wh,
            "frequency": 50.0,
        }
        text = register.type in ("string", "bytes")
        return values.get(register.name, self.profile.shown.get(register.name, "SIM" if text else 0.0))
