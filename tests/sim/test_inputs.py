"""Digital inputs as files, and somebody's Modbus controller."""

from pathlib import Path

import pytest

from sim.inputs import Inputs
from sim.panels import Panel
from sim.registers import RefusedError
from sim.scenario import ScenarioError
from sim.scenario_file import parse_scenario
from tests.sim.sites import evse, running_site, scenario, still_world, toml_of


def test_an_input_is_a_file_with_its_level(tmp_path: Path) -> None:
    inputs = Inputs({"fire": True})
    inputs.show_in(tmp_path / "inputs")
    file = tmp_path / "inputs" / "fire"
    assert file.read_text() == "0\n"
    inputs.set("fire", active=True, broken=False)
    assert file.read_text() == "1\n"
    inputs.set("fire", active=False, broken=True)
    assert not file.exists()
    assert inputs.summary() == {"fire": True}
    inputs.set("fire", active=False, broken=False)
    assert file.read_text() == "0\n"


def test_a_panel_refuses_what_it_does_not_have_and_every_write() -> None:
    panel = Panel("plc", 7, {"holding": {"100": 32}})
    panel.set("discrete", 3, [1, 0])
    assert panel.read("holding", 100, 1) == [32]
    assert panel.read("discrete", 3, 2) == [1, 0]
    for table, address, count in (("holding", 100, 2), ("input", 100, 1)):
        with pytest.raises(RefusedError):
            panel.read(table, address, count)
    with pytest.raises(RefusedError):
        panel.write(6, 100, [1])


async def test_a_panel_is_a_unit_of_its_bus() -> None:
    panels = [{"id": "plc", "bus": "bus-A1", "unit": 7, "holding": {"100": 32}}]
    async with still_world(scenario(evse(), panels=panels)) as world:
        assert world.buses["bus-A1"].slaves.has(7)
        assert world.buses["bus-A1"].slaves.knows("plc")


@pytest.mark.parametrize(
    ("panel", "problem"),
    [
        ({"id": "plc", "bus": "nowhere", "unit": 7}, "panels.plc.bus: there is no nowhere"),
        ({"id": "plc", "bus": "bus-A1", "unit": 255}, "unit"),
        ({"id": "plc", "bus": "bus-A1", "unit": 7, "holding": {"x": 1}}, "holding.x: a word is missing"),
    ],
)
def test_a_panel_that_cannot_be_is_refused(panel: dict[str, object], problem: str) -> None:
    with pytest.raises(ScenarioError, match=problem):
        parse_scenario(scenario(evse(), panels=[panel]))


def test_the_site_file_lists_the_inputs(tmp_path: Path) -> None:
    data = scenario(evse(), inputs=[{"id": "fire", "stop_all": True}])
    file = tmp_path / "with-inputs.toml"
    file.write_text(toml_of(data))
    out = tmp_path / "out"
    with running_site(str(file), out) as site:
        assert "[[inputs]]" in (out / "site.toml").read_text()
        assert site.post("input/fire", active=True) == {"fire": True}
        assert (out / "inputs" / "fire").read_text() == "1\n"
        site.post("input/fire", active=False, broken=True)
        assert not (out / "inputs" / "fire").exists()
        assert site.state()["inputs"] == {"fire": True}
