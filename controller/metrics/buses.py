"""How the wires are used, as metric families: the counters that `ampyard bus` makes its rates of.

The share of time in which a wire is busy is `rate(ampyard_bus_busy_seconds_total[5m])`.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from drivers.api import BusFigures, UnitFigures


def buses(figures: Iterable[BusFigures]) -> Iterator[Metric]:
    labels = ["bus"]
    done = CounterMetricFamily(
        "ampyard_bus_transactions", "Modbus exchanges, or CAN frames sent and heard.", labels=labels
    )
    busy = CounterMetricFamily(
        "ampyard_bus_busy_seconds", "Time in which the wire was taken; its rate is the utilisation.", labels=labels
    )
    errors = CounterMetricFamily(
        "ampyard_bus_errors", "What went wrong on the wire, by kind.", labels=[*labels, "kind"]
    )
    waiting = GaugeMetricFamily("ampyard_bus_queue", "Requests or frames that wait for the wire.", labels=labels)
    worst = GaugeMetricFamily(
        "ampyard_bus_cut_wait_highest_seconds",
        "Longest wait of a cut for its turn on the wire since the bus was opened.",
        labels=labels,
    )
    for one in figures:
        done.add_metric([one.bus], one.transactions)
        busy.add_metric([one.bus], one.busy_s)
        waiting.add_metric([one.bus], one.waiting)
        for kind, count in one.faults.items():
            errors.add_metric([one.bus, kind], count)
        if one.worst_cut_s is not None:
            worst.add_metric([one.bus], one.worst_cut_s)
    return iter((done, busy, errors, waiting, worst))


def units(figures: Iterable[BusFigures]) -> Iterator[Metric]:
    """Only those of the site: what a scan asks is in the counters of its bus alone."""
    labels = ["bus", "unit"]
    done = CounterMetricFamily("ampyard_unit_transactions", "Exchanges with the unit.", labels=labels)
    busy = CounterMetricFamily(
        "ampyard_unit_busy_seconds", "Time in which the unit had its wire, answered or not.", labels=labels
    )
    lost = CounterMetricFamily(
        "ampyard_unit_unanswered_seconds", "That part of it in which the unit did not answer.", labels=labels
    )
    errors = CounterMetricFamily("ampyard_unit_errors", "Exchanges that failed, by kind.", labels=[*labels, "kind"])
    age = GaugeMetricFamily(
        "ampyard_unit_answer_age_seconds", "Since the unit last answered; absent until it did.", labels=labels
    )
    usual = GaugeMetricFamily(
        "ampyard_unit_turnaround_seconds", "Usual time from a read to its answer.", labels=labels
    )
    for key, unit in _each(figures):
        done.add_metric(key, unit.transactions)
        busy.add_metric(key, unit.busy_s)
        lost.add_metric(key, unit.lost_s)
        for kind, count in unit.faults.items():
            errors.add_metric([*key, kind], count)
        if unit.answer_age_s is not None:
            age.add_metric(key, unit.answer_age_s)
        if unit.turnaround_s is not None:
            usual.add_metric(key, unit.turnaround_s)
    return iter((done, busy, lost, errors, age, usual))


def _each(figures: Iterable[BusFigures]) -> Iterator[tuple[list[str], UnitFigures]]:
    return (([one.bus, str(unit.unit)], unit) for one in figures for unit in one.units)
