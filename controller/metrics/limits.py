"""What binds, as metric families: the reason of each EVSE, limits from outside, digital inputs (R37)."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from controller.charging.view import EvseView, InputView, LimitState, LimitView


def evse_reasons(evses: Iterable[EvseView]) -> Iterator[Metric]:
    """One sample for each EVSE: its labels change with the reason, and `where` names circuits and sources only."""
    reason = GaugeMetricFamily(
        "ampyard_evse_reason", "1 for what limits the setpoint now.", labels=["evse", "reason", "where"]
    )
    for evse in evses:
        kind, _, where = evse.reason.partition(": ")
        reason.add_metric([evse.id, kind, where], 1.0)
    yield reason


def limits(views: Iterable[LimitView]) -> Iterator[Metric]:
    """A limit that caps nothing now has a state but no value."""
    labels = ["limit", "scope", "target"]
    current = GaugeMetricFamily("ampyard_limit_amperes", "Limit from outside, per phase.", labels=labels)
    power = GaugeMetricFamily("ampyard_limit_watts", "Limit from outside, all phases together.", labels=labels)
    binds = GaugeMetricFamily("ampyard_limit_binds", "1 while somebody gets less because of it.", labels=labels)
    state = GaugeMetricFamily(
        "ampyard_limit_state", "1 for how the limit stands, 0 for every other.", labels=["limit", "state"]
    )
    for view in views:
        key = [view.id, view.scope, view.target]
        if view.value_ma is not None:
            current.add_metric(key, view.value_ma / 1000)
        if view.value_w is not None:
            power.add_metric(key, view.value_w)
        binds.add_metric(key, float(bool(view.binds)))
        for candidate in LimitState:
            state.add_metric([view.id, candidate.value], float(view.state is candidate))
    return iter((current, power, binds, state))


def inputs(views: Iterable[InputView]) -> Iterator[Metric]:
    labels = ["input"]
    active = GaugeMetricFamily("ampyard_input_active", "1 while active, or while it cannot be read.", labels=labels)
    known = GaugeMetricFamily("ampyard_input_known", "1 while it can be read.", labels=labels)
    stops = GaugeMetricFamily("ampyard_input_stops", "1 while it stops all charging.", labels=labels)
    for view in views:
        active.add_metric([view.id], float(view.active))
        known.add_metric([view.id], float(view.known))
        if view.stop_all:
            stops.add_metric([view.id], float(view.active or view.latched))
    return iter((active, known, stops))
