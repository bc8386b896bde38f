"""Power modules that are always switched together, and the outlet that they are connected to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.api import Health
from drivers.can.group import ModuleGroup
from drivers.can.group_setup import GroupReading, Target
from drivers.can.host import CanWire
from drivers.can.module import LAST_CHANCE_S, ModuleState, ModuleView
from drivers.can.module_profile import ModuleModel
from drivers.dc.board import Board
from drivers.setups import StackSetup


@dataclass(frozen=True, slots=True)
class Contactor:
    """The way from a stack to one outlet."""

    board: Board
    coil: int
    feedback: int


@dataclass(frozen=True, slots=True)
class StackView:
    """For people. `at`: the outlet that it is, or may be, connected to."""

    id: str
    home: str
    at: str | None
    text: str
    healthy: bool
    bound_ma: int
    voltage_mv: int | None
    current_ma: int | None
    modules: tuple[ModuleView, ...]


class Stack:
    """Only its owner may aim it; without one it is off. Only the mover changes owner and place."""

    def __init__(
        self,
        setup: StackSetup,
        model: ModuleModel,
        *,
        wire: CanWire,
        group: ModuleGroup,
        contactors: Mapping[str, Contactor],
    ) -> None:
        self.setup, self.model, self.wire, self.group = setup, model, wire, group
        self.contactors = contactors
        self.at: str | None = setup.evse
        """For people, and for who deals out stacks; its own outlet until its contactors were read."""
        self.places = frozenset(contactors) or frozenset({setup.evse})
        """Outlets at which it counts: all that it reaches until its contactors were read."""
        self.owner: str | None = None if contactors else setup.evse
        self.text = "its contactors are not known yet" if contactors else "wired to its outlet"
        self.healthy = not contactors
        self._aimed = False

    @property
    def id(self) -> str:
        return self.setup.id

    @property
    def modules(self) -> int:
        return len(self.setup.addresses)

    @property
    def power_w(self) -> int:
        """Of all its modules, by their profile."""
        return self.modules * self.model.profile.limits.power_w

    @property
    def switches_off_s(self) -> float | None:
        """From the last answer of a module to its certain end: it may hear us for as long as we still try."""
        timing = self.model.profile.timing
        if timing.switches_off_s is None:
            return None
        return timing.silent_s + LAST_CHANCE_S + timing.switches_off_s

    def aim(self, target: Target | None) -> None:
        """What to deliver; None: off at once."""
        if target is not None or self._aimed:
            self._aimed = target is not None
            self.group.aim(target)

    def own(self, outlet: str | None) -> None:
        """Nobody, or another outlet, has it from now on; whatever it was aimed at is over."""
        if self.owner != outlet:
            self.aim(None)
        self.owner = outlet

    def located(self, closed: tuple[str, ...]) -> None:
        """Its closed contactors by feedback. An input that lies hides no stack that may still deliver."""
        self.at = closed[0] if closed else None
        if closed or self.group.proven_off:
            self.places = frozenset(closed)

    def gives_w(self, voltage_mv: int | None) -> int:
        """What it can deliver at that voltage as its modules are now; None: at whatever voltage suits them."""
        limits = self.model.profile.limits
        mv = limits.power_w * 1_000_000 // limits.current_ma if voltage_mv is None else voltage_mv
        mv = mv if voltage_mv is not None else min(max(mv, limits.voltage_min_mv), limits.voltage_max_mv)
        return self.group.most_ma(mv) * mv // 1_000_000

    def reading(self) -> GroupReading:
        return self.group.reading()

    def unheld(self, reading: GroupReading) -> tuple[ModuleView, ...]:
        """Modules that may deliver and cannot be ordered anything: not heard lately, or not on this open bus."""
        since_s = math.inf if self.wire.health is Health.LOST else self.wire.opened_s
        live = (view for view in reading.modules if view.bound_ma)
        return tuple(view for view in live if view.current_ma is None or view.heard_s < since_s)

    def stubborn(self) -> tuple[str, ...]:
        """Modules that were to be off by now and may be live, each by its name and why."""
        return tuple(
            f"{self.id}/{view.address}: {view.state.value}"
            for view in self.reading().modules
            if view.state is ModuleState.STUCK or (view.silent and view.last_ma is not None)
        )

    def view(self) -> StackView:
        reading = self.reading()
        return StackView(
            id=self.id,
            home=self.setup.evse,
            at=self.at,
            text=self.text,
            healthy=self.healthy,
            bound_ma=reading.bound_ma,
            voltage_mv=reading.voltage_mv,
            current_ma=reading.current_ma,
            modules=reading.modules,
        )
