"""A believable site: twelve EVSEs on two boards, one of them short of capacity, a tap that waits for a choice."""

from dataclasses import replace
from typing import Any

from controller.charging.records import ChargingState
from controller.charging.view import (
    ChoiceView,
    CircuitView,
    CsmsView,
    DeviceView,
    EvseStatus,
    EvseView,
    InputView,
    LimitState,
    LimitView,
    SiteView,
    TransactionView,
)
from drivers.api import EvState, Phases

OVERLOAD = "circuit: board-b, L3"


def transaction(number: int, *, state: ChargingState = ChargingState.CHARGING) -> TransactionView:
    return TransactionView(
        transaction=f"0f7c1c1e-0000-4000-8000-{number:012d}",
        token=f"••••{0xE5F0 + number:04X}",
        started_utc="2026-11-23T09:14:05Z",
        energy_wh=1_840 * number + 215,
        seconds=1_310 * number + 47,
        state=state,
    )


def evse(name: str, status: EvseStatus = EvseStatus.AVAILABLE, **changes: Any) -> EvseView:
    """An idle EVSE, with changes."""
    idle = EvseView(
        id=name,
        status=status,
        ev_state=EvState.A,
        offered_ma=0,
        drawn_ma=Phases(0, 0, 0),
        power_w=0,
        energy_wh=8_412_090,
        reason="no-session",
        bound_ma=0,
        circuit="board-a" if name.startswith("A") else "board-b",
        operative=True,
        fault=None,
        plug_id=None,
        transaction=None,
    )
    return replace(idle, **changes)


def charging(name: str, number: int, offered_ma: int, drawn_ma: Phases, reason: str) -> EvseView:
    return evse(
        name,
        EvseStatus.CHARGING,
        ev_state=EvState.C,
        offered_ma=offered_ma,
        drawn_ma=drawn_ma,
        power_w=sum(drawn_ma) * 230 // 1000,
        reason=reason,
        bound_ma=offered_ma,
        transaction=transaction(number),
        mode="standard",
        mode_from="no rule",
    )


def evses() -> tuple[EvseView, ...]:
    held = ChargingState.SUSPENDED_EVSE
    full = ChargingState.SUSPENDED_EV
    return (
        charging("A1", 1, 16_000, Phases(15_720, 15_690, 15_810), "own-maximum"),
        replace(
            charging("A2", 2, 16_000, Phases(15_900, 0, 0), "own-maximum"),
            mode="deadline 20 kWh by 07:00",
            mode_from="chosen",
        ),
        evse("A3"),
        evse("A4", EvseStatus.PLUGGED, ev_state=EvState.B, reason="not-permitted"),
        evse("A5", EvseStatus.PLUGGED, ev_state=EvState.B, reason="not-permitted"),
        evse(
            "A6",
            EvseStatus.SUSPENDED_EV,
            ev_state=EvState.B,
            offered_ma=10_000,
            bound_ma=10_000,
            reason="own-maximum",
            transaction=transaction(6, state=full),
            mode="priority 2 (weight 3)",
            mode_from="rule fleet",
        ),
        charging("B1", 7, 9_500, Phases(9_420, 9_380, 9_460), OVERLOAD),
        charging("B2", 8, 9_500, Phases(9_400, 9_440, 9_510), OVERLOAD),
        evse(
            "B3",
            EvseStatus.SUSPENDED_EVSE,
            ev_state=EvState.B,
            reason="waiting: board-b, L3",
            transaction=transaction(3, state=held),
            mode="deadline 35.5 kWh by 06:30",
            mode_from="rule night-shift",
            mode_note="standard for now: the time is not certain",
        ),
        evse("B4", EvseStatus.WAITING, reason="no-session", message="Card accepted. Plug in within 2 minutes."),
        evse(
            "B5",
            EvseStatus.FAULTED,
            ev_state=EvState.F,
            fault="CX004 Ground fault: residual current device tripped",
        ),
        evse(
            "B6",
            EvseStatus.UNREACHABLE,
            ev_state=None,
            drawn_ma=None,
            power_w=None,
            energy_wh=None,
            reason="unreachable",
            bound_ma=16_000,
        ),
    )


def circuits() -> tuple[CircuitView, ...]:
    return (
        CircuitView(
            "main",
            None,
            Phases(160_000, 160_000, 160_000),
            Phases(152_000, 152_000, 152_000),
            Phases(94_300, 78_200, 103_900),
            Phases(43_900, 43_690, 53_120),
            True,
            "",
        ),
        CircuitView(
            "board-a",
            "main",
            Phases(63_000, 63_000, 63_000),
            Phases(59_850, 59_850, 59_850),
            Phases(31_620, 15_690, 15_810),
            Phases(0, 0, 0),
            True,
            "",
        ),
        CircuitView(
            "board-b",
            "main",
            Phases(50_000, 50_000, 50_000),
            Phases(47_500, 47_500, 47_500),
            Phases(41_820, 38_820, 51_970),
            Phases(7_000, 4_000, 17_000),
            False,
            "L3",
        ),
    )


def limit(name: str, **changes: Any) -> LimitView:
    """One that is in force, with changes."""
    made = LimitView(
        id=name,
        source="rest",
        scope="circuit",
        target="main",
        unit="a",
        state=LimitState.SET,
        value_ma=120_000,
        value_w=None,
        age_s=12,
        expires_in_s=288,
        when_lost="63 A counts instead",
        refused="",
        binds=(),
    )
    return replace(made, **changes)


def limits() -> tuple[LimitView, ...]:
    return (
        limit(
            "utility",
            source="input utility-relay",
            scope="charging",
            unit="kw",
            value_ma=None,
            value_w=13_020,
            age_s=None,
            expires_in_s=None,
            when_lost="an input that cannot be read is active",
            binds=("main", "B3"),
        ),
        limit("landlord", refused="999 A is above 160 A, the most it accepts"),
        limit(
            "energy-manager",
            source="mqtt",
            target="board-a",
            state=LimitState.LOST,
            value_ma=32_000,
            age_s=541,
            expires_in_s=None,
            when_lost="32 A counts instead",
        ),
        limit(
            "night",
            source="calendar",
            target="board-b",
            state=LimitState.FREE,
            value_ma=None,
            age_s=None,
            expires_in_s=None,
            when_lost="the lowest value of the calendar counts while the time is not certain",
        ),
    )


def site() -> SiteView:
    return SiteView(
        site="car-park-7",
        name="Car park 7",
        version="0.1.0",
        time_utc="2026-11-23T10:42:07Z",
        time_trusted=True,
        uptime_s=187_245,
        evses=evses(),
        circuits=circuits(),
        csms=(
            CsmsView("operator", "CP-7", "2.0.1", "wss://csms.example.com/ocpp", True, "Accepted", 3, 0, ""),
            CsmsView(
                "operator",
                "CP-8",
                "2.0.1",
                "wss://csms.example.com/ocpp",
                False,
                "",
                41,
                2,
                "connection refused: csms.example.com:443",
            ),
        ),
        devices=(
            DeviceView("rs485-1", "bus", "ok", "11 devices, 4.1 polls/s"),
            DeviceView("rs485-2", "bus", "ok", "1 device"),
            DeviceView("grid", "meter", "ok", "Eastron SDM630 v2"),
            DeviceView("door", "reader", "ok", "RDM6300"),
            DeviceView("B6", "evse", "lost", "no answer for 42 s: timeout on rs485-1, unit 12"),
        ),
        choices=(ChoiceView("c-1", "door", "••••91AC", ("A4", "A5"), 48),),
        alarms=(
            "board-b, L3 is above its rating (52.0 A of 50 A): charging is being reduced",
            "B6 does not answer: 16 A per phase are reserved for it",
        ),
        cycle_s=0.034,
        limits=limits(),
        inputs=(
            InputView("utility-relay", active=True, known=True, stop_all=False, latched=False),
            InputView("fire-alarm", active=False, known=True, stop_all=True, latched=False),
        ),
    )


def empty_site() -> SiteView:
    return replace(site(), evses=(), circuits=(), csms=(), devices=(), choices=(), alarms=(), limits=(), inputs=())


class Stage:
    """The site as a test sees it: the view can be replaced, and commands are remembered."""

    def __init__(self) -> None:
        self.view = site()

    def look(self) -> SiteView:
        return self.view

    def show(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)

    def show_evse(self, name: str, **changes: Any) -> None:
        self.show(evses=tuple(replace(e, **changes) if e.id == name else e for e in self.view.evses))
