"""Scenario files: what ships is right, and what is wrong is told in full."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sim.scenario import EvseSpec, Scenario, ScenarioError
from sim.scenario_file import load_scenario, parse_scenario
from tests.sim.dc_sites import dc_scenario, outlet, stack, switch
from tests.sim.sites import Row, evse, meter, scenario

SHIPPED = ("demo", "small", "small16", "mixed-rtu", "modes", "solar", "losses", "dc", "fifty")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenario_is_right(name: str) -> None:
    loaded = load_scenario(name)
    assert loaded.csms is not None
    assert any("OfflineTxForUnknownId" in key and value is True for key, value in loaded.csms.initial.items())


def test_every_scenario_in_the_package_is_tested() -> None:
    files = {file.name for file in (resources.files("sim") / "scenarios").iterdir()}
    assert files == {f"{name}.toml" for name in SHIPPED}


def test_demo_is_the_site_that_it_claims_to_be() -> None:
    demo = load_scenario("demo")
    models = [e.profile.id for e in demo.evses]
    assert {m: models.count(m) for m in models} == {
        "keba-p30": 4, "phoenix-charx-sec": 2, "heidelberg-energy-control": 4, "evse-wb-din": 2,
    }  # fmt: skip
    alone = [r.evses[0] for r in demo.readers if len(r.evses) == 1]
    assert sorted(alone) == sorted(e.id for e in demo.evses)


def test_fifty_is_the_site_that_it_claims_to_be() -> None:
    fifty = load_scenario("fifty")
    kinds = {bus.id: bus.kind for bus in fifty.buses}
    assert len(fifty.evses) == 50
    assert sum(e.dc is not None for e in fifty.evses) == 2
    assert len({e.profile.id for e in fifty.evses if e.dc is None}) >= 8
    assert len({e.bus for e in fifty.evses if kinds[e.bus] == "modbus-rtu"}) == 5
    assert any(kinds[e.bus] == "modbus-tcp" for e in fifty.evses if e.dc is None)
    assert {name for reader in fifty.readers for name in reader.evses} == {e.id for e in fifty.evses}
    assert all(circuit.meter is not None for circuit in fifty.circuits)


def test_dc_is_the_site_that_it_claims_to_be() -> None:
    dc = load_scenario("dc")
    assert [e.id for e in dc.evses if e.dc is not None] == ["DC1", "DC2"]
    assert [[switch.evse for switch in stack.switches] for stack in dc.stacks] == [["DC1", "DC2"]] * 3
    assert [bus.can.interface for bus in dc.buses if bus.can is not None] == ["socketcand"]


def bound_a(e: EvseSpec) -> float:
    return e.failsafe_a if e.profile.watchdog is not None else e.max_a


def below(demo: Scenario, circuit: str) -> set[str]:
    found = {circuit}
    for _ in demo.circuits:
        found |= {c.id for c in demo.circuits if c.parent in found}
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_r2_bounds_of_unreachable_evses_and_the_building_fit_every_circuit(name: str) -> None:
    loaded = load_scenario(name)
    for circuit in loaded.circuits:
        inside = below(loaded, circuit.id)
        for phase in range(3):
            other = sum(c.max_other_load_a[phase] for c in loaded.circuits if c.id in inside)
            here = [e for e in loaded.evses if e.circuit in inside and phase in e.supply]
            assert sum(map(bound_a, here)) + other <= circuit.rating_a[phase]
            assert sum(max(bound_a(e), e.power_up_a) for e in here) + other <= circuit.rating_a[phase]


def problems(data: Row) -> str:
    with pytest.raises(ScenarioError) as fault:
        parse_scenario(data)
    return "\n".join(fault.value.problems)


def test_all_problems_are_listed_with_their_place() -> None:
    data = scenario(evse(phases=4, colour="red"), evse("A2", "no-such-box", max_current_a="much"))
    data["site"] = {"seed": 1}
    text = problems(data)
    assert "site.id: a text is missing" in text
    assert "evses[0].phases: 4 is not within 1..3" in text
    assert "evses[0].colour: unknown key" in text
    assert "evses[1].profile: there is no device profile no-such-box" in text
    assert "evses[1].max_current_a: a number is missing" in text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (scenario(evse(circuit="x")), "evses.A1.circuit: there is no x"),
        (scenario(evse(), evse(bus="b2")), "A1 is there more than once"),
        (scenario(evse(bus="b"), evse("A2", bus="b")), "A2: shares bus b, unit 255 with A1"),
        (scenario(evse(profile="heidelberg-energy-control")), "heidelberg-energy-control has no modbus-tcp"),
        (scenario(evse(rotation="L1L2")), "does not have 3 phases"),
        (scenario(evse(rotation="L1L2L4")), "no rotation"),
        (scenario(evse(), meter("m", "abb-b23-b24")), "measures either a circuit or an evse"),
        (scenario(evse(), circuits=[{"id": "main", "rating_a": [1, 2]}]), "circuits[0].rating_a"),
        (
            scenario(evse(), circuits=[
                {"id": "main", "rating_a": 63}, {"id": "a", "parent": "b", "rating_a": 1},
                {"id": "b", "parent": "a", "rating_a": 1},
            ]),
            "goes round in a circle",
        ),
        (scenario(evse(), circuits=[{"id": "main", "rating_a": 63}, {"id": "b", "rating_a": 1}]), "exactly one"),
        (scenario(), "evses: there is none"),
        (scenario(evse(), readers=[{"id": "r", "profile": "rdm6300", "evses": ["Z"]}]), "there is no Z"),
        (scenario(evse(), csms={"version": "3"}), "csms.version"),
        (scenario(evse(), evses="none"), "evses: an array of tables is missing"),
    ],
)  # fmt: skip
def test_contradictions_are_found(data: Row, text: str) -> None:
    assert text in problems(data)


def two_ways(**more: Any) -> Row:
    return stack(switches=[switch("DC1", 0), switch("DC2", 1) | more])


def one_stack(**more: Any) -> Row:
    return dc_scenario(outlet(), stacks=[stack(**more)])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (dc_scenario(outlet(), stacks=[]), "evses.DC1: no power module belongs to this DC outlet"),
        (one_stack(profile="x"), "power_modules[0].profile: there is no profile"),
        (one_stack(addresses=[60]), "power_modules[0].addresses: 60 is not within 0..59"),
        (one_stack(addresses=[]), "power_modules[0].addresses: a list of whole numbers"),
        (one_stack(addresses=[1, 1]), "power_modules.stack-1.addresses: 1 on can0"),
        (dc_scenario(outlet(), stacks=[stack(), stack("s2")]), "s2.addresses: 0 on can0 is stack-1's"),
        (dc_scenario(outlet(), stacks=[stack(), stack()]), "power_modules: stack-1 is there more than once"),
        (one_stack(bus="lan"), "power_modules.stack-1.bus: lan is no CAN bus"),
        (one_stack(colour=1), "power_modules[0].colour: unknown key"),
        (dc_scenario(outlet(), evse(), stacks=[stack("s", "A1")]), "modules.s.evse: there is no DC outlet A1"),
        (dc_scenario(outlet(bus="can0"), stacks=[stack()]), "DC1: ampyard-secc has no can"),
        (dc_scenario(outlet(efficiency=2), stacks=[stack()]), "evses[0].efficiency: 2 is not within"),
        (dc_scenario(outlet(failsafe_current_a=6), stacks=[stack()]), "evses[0].failsafe_current_a: unknown key"),
        (
            dc_scenario(outlet(), meter("m", "siemens-pac2200", bus="lan", unit=5, evse="DC1"), stacks=[stack()]),
            "meters.m.evse: DC1 is a DC outlet, this meter measures AC",
        ),
        (
            dc_scenario(outlet(), stacks=[stack(switches=[switch("DC2", 0)])]),
            "power_modules.stack-1.evse: there is no DC outlet DC2",
        ),
        (
            dc_scenario(outlet(), outlet("DC2"), stacks=[stack("s2", "DC2"), stack(switches=[switch("DC2", 0)])]),
            "power_modules.stack-1.switches: the one to DC1 is missing",
        ),
        (
            dc_scenario(outlet(), outlet("DC2"), stacks=[two_ways(coil=0), stack("s2", "DC2", addresses=[5])]),
            "power_modules.stack-1.switches.DC2.coil: 0 of unit 9 is another contactor's",
        ),
        (
            dc_scenario(outlet(), outlet("DC2"), stacks=[two_ways(unit=1), stack("s2", "DC2", addresses=[5])]),
            "power_modules.stack-1.switches.DC2: bus lan, unit 1 is DC1",
        ),
        (
            dc_scenario(outlet(), outlet("DC2"), stacks=[two_ways(bus="can0"), stack("s2", "DC2", addresses=[5])]),
            "power_modules.stack-1.switches.DC2.bus: can0 is no Modbus bus",
        ),
        (
            dc_scenario(
                outlet(), outlet("DC2", circuit="far"), stacks=[two_ways(), stack("s2", "DC2", addresses=[5])],
                more_circuits=[{"id": "far", "parent": "main", "rating_a": 50}],
            ),
            "power_modules.stack-1.switches.DC2: is on another circuit than DC1",
        ),
    ],
)  # fmt: skip
def test_contradictions_of_power_modules_are_found(data: Row, text: str) -> None:
    assert text in problems(data)


def test_a_can_bus_has_the_bit_rate_of_its_modules_unless_it_says_otherwise() -> None:
    data = dc_scenario(outlet(), stacks=[stack()])
    data["buses"][-1] = {"id": "can0", "kind": "can", "interface": "slcan"}
    bus = parse_scenario(data).buses[-1]
    assert bus.can is not None
    assert (bus.can.interface, bus.can.bitrate) == ("slcan", 125_000)
    data["buses"][-1]["interface"] = "vector"
    assert "buses[1].interface: 'vector' is none of socketcand, slcan" in problems(data)


def test_missing_file_and_broken_toml_are_scenario_errors(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="nowhere"):
        load_scenario(str(tmp_path / "nowhere.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("a = ")
    with pytest.raises(ScenarioError, match=r"broken\.toml"):
        load_scenario(str(broken))


def test_happenings_are_in_the_order_of_their_times() -> None:
    data = scenario(
        evse(),
        arrivals=[{"at_s": 9, "action": "evse/1/plug_in"}],
        faults=[{"at_s": 3, "action": "power", "body": {"on": False}}],
    )
    assert [h.at_s for h in parse_scenario(data).happenings] == [3, 9]


def test_shipped_files_parse_as_toml_of_utf8() -> None:
    for name in SHIPPED:
        tomllib.loads((resources.files("sim") / "scenarios" / f"{name}.toml").read_text("utf-8"))
