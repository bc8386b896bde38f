"""The wires as metrics: from the same counters as `ampyard bus`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from controller.metrics.registry import Metrics
from drivers.api import BusFigures, UnitFigures
from tests.web.sample import site

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
UNIT = UnitFigures(
    unit=3,
    transactions=100,
    errors=5,
    timeouts=2,
    busy_s=4.5,
    lost_s=0.5,
    lost=False,
    turnaround_s=0.02,
    answer_age_s=0.75,
    faults={"timeout": 2, "data": 3, "refused": 0},
)
WIRE = BusFigures(
    bus="rs485-1",
    transactions=110,
    errors=5,
    timeouts=2,
    busy_s=6.25,
    devices=("m1",),
    units=(UNIT,),
    faults={"timeout": 2, "data": 3, "refused": 0},
    waiting=4,
    worst_cut_s=0.125,
)
CAN = BusFigures("can-1", 9000, 1, 0, 12.5, ("stack-1",), faults={"bus-off": 1, "dropped": 7}, waiting=2)


def samples(*figures: BusFigures) -> Series:
    text = Metrics(site, lambda: figures).render().decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, frozenset(one.labels.items())): one.value for one in found}


def of(found: Series, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def test_a_wire_has_its_use_its_queue_its_worst_wait_and_its_errors_by_kind() -> None:
    found = samples(WIRE, CAN)
    assert of(found, "ampyard_bus_transactions_total", bus="rs485-1") == 110
    assert of(found, "ampyard_bus_busy_seconds_total", bus="rs485-1") == 6.25
    assert of(found, "ampyard_bus_queue", bus="rs485-1") == 4
    assert of(found, "ampyard_bus_cut_wait_highest_seconds", bus="rs485-1") == 0.125
    assert of(found, "ampyard_bus_errors_total", bus="rs485-1", kind="timeout") == 2
    assert of(found, "ampyard_bus_errors_total", bus="rs485-1", kind="refused") == 0, "a rate needs its beginning"
    assert of(found, "ampyard_bus_errors_total", bus="can-1", kind="bus-off") == 1
    assert of(found, "ampyard_bus_errors_total", bus="can-1", kind="dropped") == 7
    assert of(found, "ampyard_bus_transactions_total", bus="can-1") == 9000
    assert of(found, "ampyard_bus_cut_wait_highest_seconds", bus="can-1") is None, "not known"


def test_a_unit_has_its_requests_its_errors_and_the_age_of_its_answer() -> None:
    found = samples(WIRE)
    key = {"bus": "rs485-1", "unit": "3"}
    assert of(found, "ampyard_unit_transactions_total", **key) == 100
    assert of(found, "ampyard_unit_errors_total", **key, kind="data") == 3
    assert of(found, "ampyard_unit_busy_seconds_total", **key) == 4.5
    assert of(found, "ampyard_unit_unanswered_seconds_total", **key) == 0.5
    assert of(found, "ampyard_unit_answer_age_seconds", **key) == 0.75
    assert of(found, "ampyard_unit_turnaround_seconds", **key) == 0.02


def test_a_unit_that_never_answered_has_no_age() -> None:
    found = samples(replace(WIRE, units=(replace(UNIT, answer_age_s=None, turnaround_s=None),)))
    names = {name for name, _ in found}
    assert not names & {"ampyard_unit_answer_age_seconds", "ampyard_unit_turnaround_seconds"}
    assert "ampyard_unit_transactions_total" in names


def test_labels_are_bounded_by_what_the_site_has() -> None:
    """No id of a request, of a session or of an address that a scan only tried."""
    names = {name: {label for label, _ in labels} for name, labels in samples(WIRE, CAN) if "_bus_" in name}
    assert set().union(*names.values()) == {"bus", "kind"}


def test_their_names_keep_to_the_rules_of_promtool_check_metrics() -> None:
    text = Metrics(site, lambda: (WIRE, CAN)).render().decode()
    families = [one for one in text_string_to_metric_families(text) if re.match("ampyard_(bus|unit)_", one.name)]
    assert len(families) == 11
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"milli|_ms|gauge|counter", family.name), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name


def test_one_scrape_counts_once() -> None:
    counted: list[int] = []

    def figures() -> Sequence[BusFigures]:
        counted.append(1)
        return (WIRE,)

    Metrics(site, figures).render()
    assert len(counted) == 1
