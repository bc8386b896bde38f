import math
import re
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.charging.view import DcView, DeviceView, InputView, SiteView
from controller.metrics.registry import Metrics
from tests.web.sample import Stage, empty_site, site

SCALED = re.compile(r"milli|micro|kilo|mega|_(ma|mv|kw|kwh|ms|minutes|hours|percent)(_|$)")


def samples(view: SiteView) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = Metrics(lambda: view).render().decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    keys = [(sample.name, frozenset(sample.labels.items())) for sample in found]
    assert len(keys) == len(set(keys)), "a series occurs twice"
    return {key: sample.value for key, sample in zip(keys, found, strict=True)}


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("ampyard_evse_offered_amperes", {"evse": "B1"}, 9.5),
        ("ampyard_evse_drawn_amperes", {"evse": "B1", "phase": "L2"}, 9.38),
        ("ampyard_evse_bound_amperes", {"evse": "B6"}, 16.0),
        ("ampyard_evse_power_watts", {"evse": "A2"}, 3657.0),
        ("ampyard_evse_energy_watthours_total", {"evse": "A1"}, 8_412_090.0),
        ("ampyard_evse_status", {"evse": "B5", "status": "faulted"}, 1.0),
        ("ampyard_evse_status", {"evse": "B5", "status": "available"}, 0.0),
        ("ampyard_evse_mode", {"evse": "A6", "mode": "priority"}, 1.0),
        ("ampyard_evse_mode", {"evse": "A6", "mode": "standard"}, 0.0),
        ("ampyard_evse_mode", {"evse": "B1", "mode": "standard"}, 1.0),
        ("ampyard_evse_mode", {"evse": "A3", "mode": "standard"}, 0.0),
        ("ampyard_evse_reason", {"evse": "B3", "reason": "waiting", "where": "board-b, L3"}, 1.0),
        ("ampyard_evse_reason", {"evse": "A6", "reason": "own-maximum", "where": ""}, 1.0),
        ("ampyard_limit_watts", {"limit": "utility", "scope": "charging", "target": "main"}, 13_020.0),
        ("ampyard_limit_binds", {"limit": "utility", "scope": "charging", "target": "main"}, 1.0),
        ("ampyard_limit_amperes", {"limit": "energy-manager", "scope": "circuit", "target": "board-a"}, 32.0),
        ("ampyard_limit_binds", {"limit": "energy-manager", "scope": "circuit", "target": "board-a"}, 0.0),
        ("ampyard_limit_state", {"limit": "energy-manager", "state": "lost"}, 1.0),
        ("ampyard_limit_state", {"limit": "energy-manager", "state": "set"}, 0.0),
        ("ampyard_input_active", {"input": "utility-relay"}, 1.0),
        ("ampyard_input_known", {"input": "fire-alarm"}, 1.0),
        ("ampyard_input_stops", {"input": "fire-alarm"}, 0.0),
        ("ampyard_circuit_load_amperes", {"circuit": "board-b", "phase": "L3"}, 51.97),
        ("ampyard_circuit_rating_amperes", {"circuit": "board-b", "phase": "L1"}, 50.0),
        ("ampyard_circuit_limit_amperes", {"circuit": "main", "phase": "L1"}, 152.0),
        ("ampyard_circuit_load_measured", {"circuit": "main"}, 1.0),
        ("ampyard_circuit_load_measured", {"circuit": "board-b"}, 0.0),
        ("ampyard_csms_connected", {"csms": "operator", "identity": "CP-7"}, 1.0),
        ("ampyard_csms_connected", {"csms": "operator", "identity": "CP-8"}, 0.0),
        ("ampyard_outbox_rows", {"csms": "operator", "identity": "CP-8"}, 41.0),
        ("ampyard_outbox_parked_rows", {"csms": "operator", "identity": "CP-8"}, 2.0),
        ("ampyard_device_healthy", {"device": "grid", "kind": "meter"}, 1.0),
        ("ampyard_device_healthy", {"device": "B6", "kind": "evse"}, 0.0),
        ("ampyard_cycle_seconds", {}, 0.034),
        ("ampyard_uptime_seconds", {}, 187_245.0),
        ("ampyard_clock_trusted", {}, 1.0),
        ("ampyard_choices_waiting", {}, 1.0),
        ("ampyard_alarms", {}, 2.0),
        ("ampyard_build_info", {"version": "0.1.0"}, 1.0),
    ],
)
def test_a_value_of_the_view_is_a_metric_in_base_units(name: str, labels: dict[str, str], value: float) -> None:
    assert math.isclose(samples(site())[key(name, **labels)], value)


def test_an_evse_has_exactly_one_status() -> None:
    by_evse: dict[str, float] = {}
    for (name, labels), value in samples(site()).items():
        if name == "ampyard_evse_status":
            evse = dict(labels)["evse"]
            by_evse[evse] = by_evse.get(evse, 0.0) + value
    assert by_evse == {evse.id: 1.0 for evse in site().evses}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("ampyard_evse_drawn_amperes", {"phase": "L1"}),
        ("ampyard_evse_power_watts", {}),
        ("ampyard_evse_energy_watthours_total", {}),
    ],
)
def test_an_unknown_reading_is_absent_and_not_zero(name: str, labels: dict[str, str]) -> None:
    assert key(name, evse="A1", **labels) in samples(site())
    assert key(name, evse="B6", **labels) not in samples(site())


def test_r37_an_evse_has_exactly_one_reason_and_a_limit_without_a_value_shows_none() -> None:
    found = samples(site())
    reasons = [dict(labels)["evse"] for name, labels in found if name == "ampyard_evse_reason"]
    assert sorted(reasons) == sorted(one.id for one in site().evses)
    valued = {
        dict(labels)["limit"] for name, labels in found if name in {"ampyard_limit_amperes", "ampyard_limit_watts"}
    }
    assert valued == {"utility", "landlord", "energy-manager"}


def test_r9_a_dc_outlet_shows_watts_stacks_and_charge_and_an_ac_one_none_of_them() -> None:
    view = site()
    dc = replace(view.evses[0], id="DC1", dc=DcView(60_000, 57, ("stack-1", "stack-2")))
    silent = replace(dc, id="DC2", dc=DcView(0, None, ()))
    found = samples(replace(view, evses=(*view.evses, dc, silent)))
    assert found[key("ampyard_evse_offered_watts", evse="DC1")] == 60_000
    assert found[key("ampyard_evse_soc_ratio", evse="DC1")] == 0.57
    assert found[key("ampyard_evse_stacks", evse="DC1")] == 2
    assert found[key("ampyard_evse_stacks", evse="DC2")] == 0
    assert key("ampyard_evse_soc_ratio", evse="DC2") not in found
    assert key("ampyard_evse_offered_watts", evse="A1") not in found


def test_an_input_that_latched_a_stop_still_stops_when_it_is_quiet_again() -> None:
    view = replace(site(), inputs=(InputView("fire-alarm", active=False, known=True, stop_all=True, latched=True),))
    assert samples(view)[key("ampyard_input_stops", input="fire-alarm")] == 1.0


def test_an_empty_site_renders() -> None:
    assert samples(empty_site())[key("ampyard_alarms")] == 0.0


def test_each_scrape_sees_the_view_of_its_moment() -> None:
    stage = Stage()
    metrics = Metrics(stage.look)
    assert b"ampyard_alarms 2.0" in metrics.render()
    stage.show(alarms=())
    assert b"ampyard_alarms 0.0" in metrics.render()


def test_nothing_is_looked_at_before_the_first_scrape() -> None:
    def look() -> SiteView:
        raise AssertionError("looked")

    Metrics(look)


def test_one_scrape_looks_once() -> None:
    looks = []

    def look() -> SiteView:
        looks.append(1)
        return site()

    Metrics(look).render()
    assert len(looks) == 1


def test_odd_names_of_devices_are_escaped() -> None:
    odd = 'a"b\\c\nd 1.0'
    view = replace(site(), devices=(DeviceView(odd, "bus", "ok", ""),))
    assert samples(view)[key("ampyard_device_healthy", device=odd, kind="bus")] == 1.0


def test_no_token_and_no_address_becomes_a_metric() -> None:
    text = Metrics(site).render().decode()
    assert "E5F1" not in text
    assert "wss://" not in text


def test_names_and_texts_keep_to_the_rules_of_promtool_check_metrics() -> None:
    for family in text_string_to_metric_families(Metrics(site).render().decode()):
        assert family.documentation.strip(), family.name
        assert re.fullmatch(r"ampyard_[a-z0-9_]+", family.name), family.name
        assert not SCALED.search(family.name), family.name
        assert not re.search(r"gauge|counter|histogram|summary", family.name), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert not sample.name.endswith(("_count", "_sum", "_bucket")), sample.name
            assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in sample.labels)
