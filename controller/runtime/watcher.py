"""Turns the readings of one EVSE into session events: what is new, and believed."""

import logging
from collections.abc import Callable
from uuid import uuid4

from controller.charging.derive import charging_state, unbilled_wh
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

_log = logging.getLogger(__name__)

STEADY_S = 3.0
"""A transaction's state is reported once it has held this long; pilots pass through others on the way."""
JUDGE_WITHIN_S = 30.0
"""After a start a register is waited for so long, counted from the first reading; then it is judged without one."""
UNBILLED_WH = 20
"""More than this without a session is worth an alarm; less may be how the register rounds."""
UNPLUG_READINGS = 2
"""Readings in a row that must say 'no EV' before a stay is over: one may be a glitch of the pilot."""


class Watcher:
    """In doubt until a reading that knows about the plug: that one is evidence for R17.

    So it is after a start, after a change of the device, and after it was lost: nobody has seen meanwhile who
    unplugged.
    """

    def __init__(self, owner: EvseOwner, register: BillingRegister, now: Callable[[], Instant]) -> None:
        self._owner = owner
        self._register = register
        self._now = now
        self._plugged = owner.state.plug is not None
        self._fault = owner.state.fault
        self._candidate: tuple[ChargingState, float] | None = None
        self._told: tuple[str, ChargingState] | None = None
        """What was last put, and of which transaction: it is not put again while a stalled store holds it up."""
        self.unbilled_wh = 0
        """What the register gained since the last session, while nobody paid."""
        self.doubt()

    @property
    def alarm(self) -> str | None:
        """R15: a fail-safe current, or a charger that lets everybody charge, is not overlooked."""
        if self.unbilled_wh < UNBILLED_WH:
            return None
        return f"{self._owner.state.evse}: {self.unbilled_wh} Wh were drawn without a session"

    def doubt(self) -> None:
        """What was seen until now proves nothing about the car that stands there next."""
        self._in_doubt = True
        self._since_s = self._now().mono_s
        self._heard: Instant | None = None
        self._absent = 0
        self._owner.doubt()

    def on_reading(self, reading: EvseReading) -> None:
        self._register.on_reading(reading)
        at = self._now()
        self._look_at_fault(reading, at)
        if reading.plugged is not None:
            self._look_at_plug(reading, at, plugged=reading.plugged)
        self._look_at_state(reading, at)
        self._look_at_energy()

    def _look_at_energy(self) -> None:
        shown = self._register.shown()
        before, self.unbilled_wh = self.unbilled_wh, unbilled_wh(self._owner.state, shown.energy_wh) if shown else 0
        if before < UNBILLED_WH <= self.unbilled_wh:
            _log.warning("%s", self.alarm)

    def _look_at_fault(self, reading: EvseReading, at: Instant) -> None:
        fault = reading.error
        if fault is None and reading.state in {EvState.E, EvState.F}:
            fault = f"pilot {reading.state.value}"
        if fault != self._fault:
            self._fault = fault
            self._owner.put(FaultSeen(at, fault))

    def _look_at_plug(self, reading: EvseReading, at: Instant, *, plugged: bool) -> None:
        self._absent = 0 if plugged else self._absent + 1
        if self._in_doubt:
            if self._may_judge(reading, at, plugged=plugged):
                self._judge(reading, at, plugged=plugged)
        elif plugged and (not self._plugged or self._another_plug_in(reading)):
            self._plugged = True
            self._owner.put(Plugged(at, str(uuid4()), reading.plug_counter))
        elif self._plugged and self._absent >= UNPLUG_READINGS:
            self._plugged = False
            self._owner.put(Unplugged(at))

    def _another_plug_in(self, reading: EvseReading) -> bool:
        """The charger counted a plug-in that fell between two readings."""
        plug = self._owner.state.plug
        counters = (plug.counter if plug else None, reading.plug_counter)
        return None not in counters and counters[0] != counters[1]

    def _judge(self, reading: EvseReading, at: Instant, *, plugged: bool) -> None:
        self._in_doubt = False
        self._plugged = plugged
        self._owner.put(Resumed(at, plugged, str(uuid4()), reading.plug_counter, self._register_wh()))

    def _may_judge(self, reading: EvseReading, at: Instant, *, plugged: bool) -> bool:
        """A running transaction waits for a register, unless the plug or its counter says enough."""
        plug = self._owner.state.plug
        if not plugged:
            return plug is None or self._absent >= UNPLUG_READINGS
        self._heard = self._heard or at
        counted = plug is not None and plug.counter is not None and reading.plug_counter is not None
        if counted or not isinstance(self._owner.state.phase, Running):
            return True
        return self._register_wh() is not None or at.seconds_since(self._heard) >= JUDGE_WITHIN_S

    def _register_wh(self) -> int | None:
        """The register as evidence: received since the doubt began."""
        shown = self._register.shown()
        return shown.energy_wh if shown is not None and shown.t_s >= self._since_s else None

    def _look_at_state(self, reading: EvseReading, at: Instant) -> None:
        state: EvseState = self._owner.state
        offered_ma = self._owner.offered_ma
        if self._in_doubt or not isinstance(state.phase, Running) or reading.state is None or offered_ma is None:
            self._candidate = None
            return
        transaction = state.phase.transaction
        seen = charging_state(reading.state, offered_ma)
        if self._told is not None and self._told[1] is transaction.state:
            self._told = None
        if seen in {transaction.state, ChargingState.IDLE} or self._told == (transaction.id, seen):
            self._candidate = None
            return
        if self._candidate is None or self._candidate[0] is not seen:
            self._candidate = (seen, at.mono_s)
        if at.mono_s - self._candidate[1] >= STEADY_S:
            self._candidate = None
            self._told = (transaction.id, seen)
            shown = self._register.recent(at.mono_s)
            meter = shown.value(SampleContext.TRIGGER, self._owner.offered_ma) if shown else None
            self._owner.put(StateSeen(at, seen, meter))
