"""The site view as metric families. Base units: amperes, watts, seconds; energy in watt-hours as meters count."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from controller.charging.modes import KINDS
from controller.charging.view import CircuitView, CsmsView, DeviceView, EvseStatus, EvseView, SiteView
from drivers.api import Phases

PHASES = ("L1", "L2", "L3")


def _amperes(milliamperes: int) -> float:
    return milliamperes / 1000


def _add_phases(family: GaugeMetricFamily, labels: list[str], current_ma: Phases) -> None:
    for phase, value_ma in zip(PHASES, current_ma, strict=True):
        family.add_metric([*labels, phase], _amperes(value_ma))


def evse_currents(evses: Iterable[EvseView]) -> Iterator[Metric]:
    offered = GaugeMetricFamily("ampyard_evse_offered_amperes", "Confirmed setpoint per phase.", labels=["evse"])
    drawn = GaugeMetricFamily(
        "ampyard_evse_drawn_amperes", "Measured current; absent while unknown or too old.", labels=["evse", "phase"]
    )
    bound = GaugeMetricFamily(
        "ampyard_evse_bound_amperes",
        "What the EVSE may be drawing per phase as far as can be proved.",
        labels=["evse"],
    )
    for evse in evses:
        offered.add_metric([evse.id], _amperes(evse.offered_ma))
        bound.add_metric([evse.id], _amperes(evse.bound_ma))
        if evse.drawn_ma is not None:
            _add_phases(drawn, [evse.id], evse.drawn_ma)
    return iter((offered, drawn, bound))


def evse_power(evses: Iterable[EvseView]) -> Iterator[Metric]:
    power = GaugeMetricFamily("ampyard_evse_power_watts", "Measured active power.", labels=["evse"])
    energy = CounterMetricFamily(
        "ampyard_evse_energy_watthours", "Lifetime import register of the EVSE.", labels=["evse"]
    )
    for evse in evses:
        if evse.power_w is not None:
            power.add_metric([evse.id], evse.power_w)
        if evse.energy_wh is not None:
            energy.add_metric([evse.id], evse.energy_wh)
    return iter((power, energy))


def dc_outlets(evses: Iterable[EvseView]) -> Iterator[Metric]:
    """Absent for AC ones, as the charge is where the EV does not tell it."""
    offered = GaugeMetricFamily("ampyard_evse_offered_watts", "Offered at a DC outlet.", labels=["evse"])
    charge = GaugeMetricFamily("ampyard_evse_soc_ratio", "Charge of the EV's battery, 0 to 1.", labels=["evse"])
    stacks = GaugeMetricFamily("ampyard_evse_stacks", "Stacks of power modules at a DC outlet.", labels=["evse"])
    for evse in evses:
        if evse.dc is None:
            continue
        offered.add_metric([evse.id], evse.dc.offered_w)
        stacks.add_metric([evse.id], len(evse.dc.stacks))
        if evse.dc.soc_percent is not None:
            charge.add_metric([evse.id], evse.dc.soc_percent / 100)
    return iter((offered, charge, stacks))


def evse_status(evses: Iterable[EvseView]) -> Iterator[Metric]:
    status = GaugeMetricFamily(
        "ampyard_evse_status", "1 for the status that the EVSE has, 0 for every other.", labels=["evse", "status"]
    )
    for evse in evses:
        for candidate in EvseStatus:
            status.add_metric([evse.id, candidate.value], float(evse.status is candidate))
    yield status


def evse_mode(evses: Iterable[EvseView]) -> Iterator[Metric]:
    """Without a session an EVSE has none, and 0 for all."""
    mode = GaugeMetricFamily(
        "ampyard_evse_mode", "1 for the charging mode of the session, 0 for every other.", labels=["evse", "mode"]
    )
    for evse in evses:
        named = evse.mode.partition(" ")[0]
        for kind in KINDS:
            mode.add_metric([evse.id, kind], float(kind == named))
    yield mode


def circuits(views: Iterable[CircuitView]) -> Iterator[Metric]:
    labels = ["circuit", "phase"]
    load = GaugeMetricFamily("ampyard_circuit_load_amperes", "Measured load, or its bound.", labels=labels)
    rating = GaugeMetricFamily("ampyard_circuit_rating_amperes", "Rating of the circuit.", labels=labels)
    limit = GaugeMetricFamily("ampyard_circuit_limit_amperes", "What may be planned with.", labels=labels)
    measured = GaugeMetricFamily(
        "ampyard_circuit_load_measured", "1 where the load is measured, 0 where it is a bound.", labels=["circuit"]
    )
    for view in views:
        _add_phases(load, [view.id], view.load_ma)
        _add_phases(rating, [view.id], view.rating_ma)
        _add_phases(limit, [view.id], view.limit_ma)
        measured.add_metric([view.id], float(view.measured))
    return iter((load, rating, limit, measured))


def csms(views: Iterable[CsmsView]) -> Iterator[Metric]:
    labels = ["csms", "identity"]
    connected = GaugeMetricFamily("ampyard_csms_connected", "1 while the station is connected.", labels=labels)
    rows = GaugeMetricFamily("ampyard_outbox_rows", "Messages that wait for delivery.", labels=labels)
    parked = GaugeMetricFamily("ampyard_outbox_parked_rows", "Messages set aside as undeliverable.", labels=labels)
    for view in views:
        key = [view.csms, view.identity]
        connected.add_metric(key, float(view.connected))
        rows.add_metric(key, view.outbox_depth)
        parked.add_metric(key, view.parked)
    return iter((connected, rows, parked))


def devices(views: Iterable[DeviceView]) -> Iterator[Metric]:
    """A device in any other health than "ok" is not healthy, one that was never heard of included."""
    healthy = GaugeMetricFamily(
        "ampyard_device_healthy",
        "1 while a bus, meter, reader or stack of power modules answers.",
        labels=["device", "kind"],
    )
    for view in views:
        healthy.add_metric([view.id, view.kind], float(view.health == "ok"))
    yield healthy


def site(view: SiteView) -> Iterator[Metric]:
    yield GaugeMetricFamily("ampyard_cycle_seconds", "Duration of the last control cycle.", value=view.cycle_s)
    yield GaugeMetricFamily("ampyard_uptime_seconds", "Since the controller started.", value=view.uptime_s)
    yield GaugeMetricFamily("ampyard_alarms", "Alarms that stand now.", value=len(view.alarms))
    yield GaugeMetricFamily(
        "ampyard_clock_trusted", "1 once CSMS or NTP confirmed the time.", value=float(view.time_trusted)
    )
    yield GaugeMetricFamily("ampyard_choices_waiting", "Taps that wait for a choice.", value=len(view.choices))
    yield InfoMetricFamily("ampyard_build", "Version of the controller.", value={"version": view.version})
