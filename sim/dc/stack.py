"""Power modules that are switched together: to which outlets their contactors connect them, and what they take."""

from collections.abc import Sequence

from sim.can.modules import SimModule
from sim.dc.contactor import Contactor, DamageBook
from sim.dc.node import Source
from sim.dc.outlet import DcOutlet


class Stack:
    """`ways` leads from outlets to contactors; None: wired for good."""

    def __init__(
        self,
        name: str,
        owner: DcOutlet,
        *,
        modules: Sequence[SimModule],
        sources: Sequence[Source],
        ways: Sequence[tuple[DcOutlet, Contactor | None]],
        book: DamageBook,
    ) -> None:
        self.name = name
        self.owner = owner
        self.modules = tuple(modules)
        self.sources = tuple(sources)
        self.ways = tuple(ways)
        self.open_v = 0.0
        """At its own terminals, while no contactor connects it."""
        self._book = book
        self._joins_two = False

    @property
    def contactors(self) -> list[Contactor]:
        return [contactor for _, contactor in self.ways if contactor is not None]

    @property
    def outlets(self) -> list[DcOutlet]:
        """Where its output reaches; more than one is a fault of whoever commands the contactors."""
        return [outlet for outlet, contactor in self.ways if contactor is None or contactor.closed]

    @property
    def outlet(self) -> DcOutlet | None:
        """Two outlets that are joined blow its fuses: it feeds neither."""
        outlets = self.outlets
        return outlets[0] if len(outlets) == 1 else None

    @property
    def amperes(self) -> float:
        return sum(source.stage.amperes for source in self.sources)

    @property
    def ac_w(self) -> float:
        return sum(m.stage.ac_w if m.powered else 0.0 for m in self.modules)

    def switch(self, now_s: float) -> None:
        """Let its contactors follow their commands."""
        amperes = self.amperes
        for contactor in self.contactors:
            contactor.step(now_s, amperes if contactor.closed else 0.0)
        joins_two = len(self.outlets) > 1
        if joins_two and not self._joins_two:
            self._book.note("outlets_joined", self.name, amperes)
        self._joins_two = joins_two

    def phase_a(self, volts: float) -> float:
        """Of each phase: three, in balance and without reactive power."""
        return self.ac_w / len(self.owner.supply) / volts
