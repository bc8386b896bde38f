"""Builds the SiteView: one frozen value from committed states, the last plan and the latest readings."""

from dataclasses import dataclass

from controller.allocation.circuits import Circuit
from controller.allocation.image import CircuitPlan, EvsePlan, Plan, ReasonKind
from controller.charging.derive import status
from controller.charging.instant import Instant
from controller.charging.modes import mode_text
from controller.charging.session import Running, Stopping, Transaction
from controller.charging.view import CircuitView, DcView, EvseView, TransactionView
from controller.runtime.cycle import ControlledEvse
from controller.runtime.demand import Applied
from controller.runtime.registers import BillingRegister, Shown
from controller.runtime.taps import masked
from drivers.api import EvseReading, Health, Phases

OLD_S = 10.0
"""A reading older than this is not shown as current."""
LIMITING = (ReasonKind.LIMIT, ReasonKind.WAITING)


@dataclass(frozen=True, slots=True)
class EvseSource:
    """What one EVSE's row of the view is made of."""

    id: str
    evse: ControlledEvse
    register: BillingRegister
    circuit: str
    max_ma: int
    message: str | None
    mode: Applied | None
    stacks: tuple[str, ...] = ()
    """Power modules that a DC outlet has now."""


def evse_view(source: EvseSource, plan: EvsePlan | None, now: Instant) -> EvseView:
    evse, state = source.evse, source.evse.owner.state
    reading = _current(evse.device.latest, now)
    reachable = evse.health is not Health.LOST
    pilot = reading.state if reading else None
    shown, recent = source.register.shown(), _recent(source.register, now)
    return EvseView(
        id=state.evse,
        status=status(state, pilot=pilot, reachable=reachable),
        ev_state=pilot,
        offered_ma=evse.actuator.confirmed_ma or 0,
        drawn_ma=reading.current_ma if reading and reading.current_ma else (recent.current_ma if recent else None),
        power_w=reading.power_w
        if reading and reading.power_w is not None
        else (recent.power_w if recent else None),
        energy_wh=shown.energy_wh if shown else None,
        reason=plan.reason.text() if plan else "not planned yet",
        bound_ma=plan.bound_ma if plan else source.max_ma,
        circuit=source.circuit,
        operative=state.operative,
        fault=state.fault,
        plug_id=state.plug.id if state.plug else None,
        transaction=_transaction(evse, shown.energy_wh if shown else None, now),
        message=state.message or source.message,
        mode=mode_text(source.mode.mode) if source.mode else "",
        mode_from=source.mode.source if source.mode else "",
        mode_note=source.mode.note if source.mode else "",
        dc=_dc_view(source, reading),
    )


def _dc_view(source: EvseSource, reading: EvseReading | None) -> DcView | None:
    output = source.register.dc
    if output is None:
        return None
    offered_w = output.watts(source.evse.actuator.confirmed_ma or 0)
    return DcView(offered_w, reading.soc_percent if reading and reading.plugged else None, source.stacks)


def _current(reading: EvseReading | None, now: Instant) -> EvseReading | None:
    return reading if reading is not None and now.mono_s - reading.t_s <= OLD_S else None


def _recent(register: BillingRegister, now: Instant) -> Shown | None:
    shown = register.shown()
    return shown if shown is not None and now.mono_s - shown.t_s <= OLD_S else None


def _transaction(evse: ControlledEvse, register_wh: int | None, now: Instant) -> TransactionView | None:
    match evse.owner.state.phase:
        case Running(transaction) | Stopping(transaction):
            return _transaction_view(transaction, register_wh, now)
        case _:
            return None


def _transaction_view(transaction: Transaction, register_wh: int | None, now: Instant) -> TransactionView:
    return TransactionView(
        transaction=transaction.id,
        token=masked(transaction.payer.token.uid),
        started_utc=transaction.started.wall.isoformat(timespec="seconds"),
        energy_wh=register_wh - transaction.start_wh if register_wh is not None else None,
        seconds=int(now.seconds_since(transaction.started)),
        state=transaction.state,
    )


def circuit_views(circuits: tuple[Circuit, ...], plan: Plan) -> tuple[CircuitView, ...]:
    planned = {circuit.id: circuit for circuit in plan.circuits}
    return tuple(_circuit_view(circuit, planned.get(circuit.id)) for circuit in circuits)


def _circuit_view(circuit: Circuit, plan: CircuitPlan | None) -> CircuitView:
    if plan is None:
        nothing = Phases(0, 0, 0)
        return CircuitView(
            circuit.id, circuit.parent, circuit.rating_ma, nothing, nothing, nothing, False, "not planned yet"
        )
    return CircuitView(
        id=circuit.id,
        parent=circuit.parent,
        rating_ma=circuit.rating_ma,
        limit_ma=plan.limit_ma,
        load_ma=plan.measured_ma or plan.planned_ma,
        base_ma=plan.base_ma,
        measured=plan.measured_ma is not None,
        limited_by=plan.limited_by,
    )


def bindings(plan: Plan) -> dict[str, tuple[str, ...]]:
    """By the source of a limit: the circuits and EVSEs that it binds (R37)."""
    found: dict[str, list[str]] = {}
    for circuit in plan.circuits:
        found.setdefault(circuit.limited_by, []).append(circuit.id)
    for evse in plan.evses:
        for source in evse.reason.where.split("; ") if evse.reason.kind in LIMITING else ():
            found.setdefault(source, []).append(evse.id)
    return {source: tuple(targets) for source, targets in found.items()}
