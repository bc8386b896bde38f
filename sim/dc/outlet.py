"""A DC outlet: contactors, the voltage and the current behind them, and the energy that went through."""

from collections.abc import Sequence

from sim.dc.contactor import BREAKS_A, Contactor, DamageBook
from sim.dc.vehicle import DcEv
from sim.wiring import nothing


class DcOutlet:
    """`volts` are measured on the side of the modules. `circuit` and `supply` are those of their mains."""

    def __init__(
        self, name: str, circuit: str, *, supply: Sequence[int], energy_wh: float, book: DamageBook
    ) -> None:
        self.name = name
        self.circuit = circuit
        self.supply = tuple(supply)
        self.ev: DcEv | None = None
        self.contactors = Contactor(name, book)
        self.volts = 0.0
        self.amperes = 0.0
        self.energy_wh = energy_wh
        self.session_wh = 0.0
        self.plug_count = 0
        self.drawn_a = nothing()
        """What the mains of the modules that feed it see, by supply phase."""
        self._book = book

    @property
    def battery(self) -> DcEv | None:
        """The battery that hangs on it, if any does."""
        return self.ev if self.ev is not None and self.contactors.closed and self.ev.closed else None

    @property
    def power_w(self) -> float:
        return self.volts * self.amperes

    def plug_in(self, ev: DcEv) -> None:
        self.ev = ev
        self.session_wh = 0.0
        self.plug_count += 1

    def unplug(self) -> None:
        """The plug is locked while current flows; who pulls it by force destroys it."""
        if self.amperes > BREAKS_A:
            self._book.note("unplugged_under_load", self.name, self.amperes)
        self.ev = None
        self.amperes = 0.0

    def step(self, now_s: float, dt_s: float, *, asked_a: float) -> None:
        """Count energy and let the EV live one step."""
        wh = self.power_w * dt_s / 3600
        self.energy_wh += wh
        self.session_wh += wh
        if self.ev is None:
            return
        broken_a = self.ev.step(now_s, dt_s, volts=self.volts, amperes=self.amperes, asked_a=asked_a)
        if broken_a > BREAKS_A:
            self._book.note("vehicle_opened_under_load", self.name, broken_a)
