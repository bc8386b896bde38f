"""What follows from a state without any memory."""

import pytest

from controller.charging.derive import Authorise, ReadRegister, charging_state, deadline, status, unbilled_wh, wants
from controller.charging.records import ChargingState
from controller.charging.rules import Rules
from controller.charging.session import EvseState
from controller.charging.view import EvseStatus
from drivers.api import EvState
from tests.charging.samples import STATES, at, payer, plug

R22 = {
    (EvState.A, 16_000): ChargingState.IDLE,
    (EvState.A, 0): ChargingState.IDLE,
    (EvState.B, 16_000): ChargingState.SUSPENDED_EV,
    (EvState.B, 0): ChargingState.SUSPENDED_EVSE,
    (EvState.C, 16_000): ChargingState.CHARGING,
    (EvState.C, 0): ChargingState.SUSPENDED_EVSE,
    (EvState.D, 6_000): ChargingState.CHARGING,
    (EvState.D, 0): ChargingState.SUSPENDED_EVSE,
    (EvState.E, 16_000): ChargingState.EV_CONNECTED,
    (EvState.E, 0): ChargingState.SUSPENDED_EVSE,
    (EvState.F, 16_000): ChargingState.EV_CONNECTED,
    (EvState.F, 0): ChargingState.SUSPENDED_EVSE,
    (None, 16_000): ChargingState.EV_CONNECTED,
    (None, 0): ChargingState.SUSPENDED_EVSE,
}


@pytest.mark.parametrize(("pilot", "offered_ma"), list(R22))
def test_r22_who_suspends_follows_from_pilot_and_offer_together(pilot: EvState | None, offered_ma: int) -> None:
    assert charging_state(pilot, offered_ma) is R22[pilot, offered_ma]


STATUS = {
    "Idle, no plug": EvseStatus.AVAILABLE,
    "Idle, plug": EvseStatus.PLUGGED,
    "Authorising, no plug": EvseStatus.AUTHORISING,
    "Authorising, plug": EvseStatus.AUTHORISING,
    "Waiting, no plug": EvseStatus.WAITING,
    "Starting, plug": EvseStatus.STARTING,
    "Running, plug": EvseStatus.CHARGING,
    "Running, unseen, plug": EvseStatus.CHARGING,
    "Running, invalid, plug": EvseStatus.SUSPENDED_EVSE,
    "Running, mode chosen, plug": EvseStatus.CHARGING,
    "Stopping, plug": EvseStatus.FINISHING,
    "Stopping, departed, no plug": EvseStatus.FINISHING,
    "Stopping, departed, plug": EvseStatus.FINISHING,
    "Idle, inoperative": EvseStatus.UNAVAILABLE,
}


@pytest.mark.parametrize("name", STATES)
def test_each_state_has_a_name_for_people(name: str) -> None:
    assert status(STATES[name], pilot=EvState.B, reachable=True) is STATUS[name]


@pytest.mark.parametrize("name", STATES)
def test_an_unreachable_charger_is_called_so_before_anything_else(name: str) -> None:
    assert status(STATES[name], pilot=None, reachable=False) is EvseStatus.UNREACHABLE


@pytest.mark.parametrize("pilot", [EvState.E, EvState.F])
def test_a_pilot_error_or_a_fault_of_the_charger_is_a_fault(pilot: EvState) -> None:
    assert status(EvseState("A1"), pilot=pilot, reachable=True) is EvseStatus.FAULTED
    assert status(EvseState("A1", fault="hot"), pilot=EvState.A, reachable=True) is EvseStatus.FAULTED


def test_a_car_that_has_been_served_is_finishing() -> None:
    stay = plug()
    finished = EvseState("A1", plug=type(stay)(stay.id, stay.since, at(9), None, finished=True))
    assert status(finished, pilot=EvState.B, reachable=True) is EvseStatus.FINISHING


def test_a_state_wants_what_its_next_step_waits_for() -> None:
    assert wants(STATES["Authorising, plug"]) == Authorise(payer())
    assert wants(STATES["Starting, plug"]) == ReadRegister(at(110))
    assert wants(STATES["Stopping, plug"]) == ReadRegister(at(110))
    idle = [name for name in STATES if name.startswith(("Idle", "Waiting", "Running"))]
    assert [wants(STATES[name]) for name in idle] == [None] * len(idle)


@pytest.mark.parametrize(("interval_s", "due"), [(0, 160), (60, 160), (10, 110), (900, 160)])
def test_a_running_transaction_is_woken_for_its_sample_or_its_checkpoint(interval_s: int, due: float) -> None:
    assert deadline(STATES["Running, plug"], Rules(sample_interval_s=interval_s)) == at(due)


def test_r15_energy_without_a_session_is_counted_from_where_the_register_rested() -> None:
    rested = EvseState("A1", rest_wh=5_000)
    assert unbilled_wh(rested, 5_035) == 35
    assert unbilled_wh(rested, 4_000) == 0
    assert unbilled_wh(EvseState("A1"), 5_035) == 0
