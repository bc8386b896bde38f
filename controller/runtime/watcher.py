"""Turns the readings of one EVSE into session events: what is new, and believed."""

from collections.abc import Callable
from uuid import uuid4

from controller.charging.derive import charging_state
from controller.charging.instant import Instant
from controller.charging.records import ChargingState, SampleContext
from controller.charging.session import (
    EvseState,
    FaultSeen,
    Plugged,
    Resumed,
    Running,
    StateSeen,
    Unplugged,
)
from controller.runtime.owner import EvseOwner
from controller.runtime.registers import BillingRegister
from drivers.api import EvseReading, EvState

STEADY_S = 3.0
"""A transaction's state is reported once it has held this long; pilots pass through others on the way."""
UNPLUG_READINGS = 2
"""Readings in a row that must say 'no EV' before a stay is over: one may be a glitch of the pilot."""


class Watcher:
    """`fresh` until the first reading that knows about the plug: that one is evidence for R17."""

    def __init__(self, owner: EvseOwner, register: BillingRegister, now: Callable[[], Instant]) -> None:
        self._owner = owner
        self._register = register
        self._now = now
        self._fresh = True
        self._plugged = owner.state.plug is not None
        self._absent = 0
        self._fault = owner.state.fault
        self._candidate: tuple[ChargingState, float] | None = None

    def on_reading(self, reading: EvseReading) -> None:
        self._register.on_reading(reading)
        at = self._now()
        self._look_at_fault(reading, at)
        if reading.plugged is not None:
            self._look_at_plug(reading, at, plugged=reading.plugged)
        self._look_at_state(reading, at)

    def _look_at_fault(self, reading: EvseReading, at: Instant) -> None:
        fault = reading.error
        if fault is None and reading.state in {EvState.E, EvState.F}:
            fault = f"pilot {reading.state.value}"
        if fault != self._fault:
            self._fault = fault
            self._owner.put(FaultSeen(at, fault))

    def _look_at_plug(self, reading: EvseReading, at: Instant, *, plugged: bool) -> None:
        if self._fresh:
            if self._needs_register() and self._register.shown() is None:
                return
            self._fresh = False
            self._plugged = plugged
            shown = self._register.shown()
            register_wh = shown.energy_wh if shown else None
            self._owner.put(Resumed(at, plugged, str(uuid4()), reading.plug_counter, register_wh))
            return
        self._absent = 0 if plugged else self._absent + 1
        if plugged and not self._plugged:
            self._plugged = True
            self._owner.put(Plugged(at, str(uuid4()), reading.plug_counter))
        elif self._plugged and self._absent >= UNPLUG_READINGS:
            self._plugged = False
            self._owner.put(Unplugged(at))

    def _needs_register(self) -> bool:
        """Only a running transaction is resumed on the evidence of its register."""
        return isinstance(self._owner.state.phase, Running)

    def _look_at_state(self, reading: EvseReading, at: Instant) -> None:
        state: EvseState = self._owner.state
        if not isinstance(state.phase, Running) or reading.state is None:
            self._candidate = None
            return
        seen = charging_state(reading.state, self._owner.offered_ma or 0)
        if seen is state.phase.transaction.state or seen is ChargingState.IDLE:
            self._candidate = None
            return
        if self._candidate is None or self._candidate[0] is not seen:
            self._candidate = (seen, at.mono_s)
        if at.mono_s - self._candidate[1] >= STEADY_S:
            self._candidate = None
            shown = self._register.shown()
            meter = shown.value(SampleContext.TRIGGER, self._owner.offered_ma) if shown else None
            self._owner.put(StateSeen(at, seen, meter))
