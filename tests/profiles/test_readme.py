"""firmware-profiles/README.md is all that somebody needs who adds a device: whole, and its example right."""

import re
from pathlib import Path

import pytest

from drivers.can.module_profile import AddressTable, CanTable, LimitsTable, StatusTable, TimingTable
from drivers.profile import builtin_folder, load
from drivers.profile_json import SECTIONS
from drivers.profile_numbers import Section
from drivers.profile_probe import Otherwise, ProbeTable
from drivers.profile_schema import Identity, Register

README = (builtin_folder() / "README.md").read_text()


def keys(model: type[Section]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize("key", [key for key in keys(Identity) if key != "repeat_s"] + ["repeat_s"])
def test_each_key_at_the_top_is_explained(key: str) -> None:
    assert f"`{key}`" in README


@pytest.mark.parametrize("key", [key for key in keys(Register) if key != "name"])
def test_each_key_of_a_register_is_explained(key: str) -> None:
    assert f"`{key}`" in README


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, model in SECTIONS.items() for key in keys(model)]
)
def test_each_key_of_a_section_is_explained(section: str, key: str) -> None:
    inline = re.search(rf"`{section} = {{([^}}]*)}}`", README)
    assert f"`{section}.{key}`" in README or (inline is not None and key in inline[1].split(", "))


TABLES = (
    ("can", CanTable.model_fields),
    ("address", AddressTable.model_fields),
    ("limits", LimitsTable.model_fields),
    ("timing", TimingTable.model_fields),
    ("status", StatusTable.model_fields),
)


@pytest.mark.parametrize(("table", "key"), [(name, key) for name, one in TABLES for key in one])
def test_each_key_of_a_power_module_is_explained(table: str, key: str) -> None:
    assert f"`{table}.{key}`" in README


def test_the_map_for_an_secc_is_the_shipped_one() -> None:
    said = dict[str, int]()
    for first, names in re.findall(r"^\| (\d+)(?: to \d+|, \d+)? \| (`[^|]+`) \|", README, re.MULTILINE):
        for place, name in enumerate(re.findall(r"`(\w+)`", names)):
            said[name] = int(first) + place
    shipped = load(builtin_folder() / "seccs" / "ampyard-secc.toml").registers
    assert said == {name: register.address for name, register in shipped.items()}


@pytest.mark.parametrize("key", keys(ProbeTable))
def test_each_key_of_a_probe_is_explained(key: str) -> None:
    assert f"`{key}`" in README or key == "otherwise"


@pytest.mark.parametrize("key", ["says", "usable", "address_shift", "tables", "modbus", "registers"])
def test_each_key_of_another_reading_is_explained(key: str) -> None:
    assert key in keys(Otherwise)
    assert f"`otherwise.{key}" in README


def test_the_example_is_a_device_profile(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "example-box.toml"
    path.write_text(text)
    profile = load(path)
    assert profile.probe is not None
    assert [reading.profile.registers["voltage_l1"].scale for reading in profile.probe.readings] == [
        profile.registers["voltage_l1"].scale,
        1,
    ]


def test_what_is_not_yet_there_is_not_there() -> None:
    shipped = {path.stem for path in builtin_folder().rglob("*.toml")}
    rows = README.split("## Not yet")[1].splitlines()
    assert len(rows) > 10
    assert not {"abl-emh1", "compleo-solo-duo", "delta-ac-max", "pracht-alpha", "eastron-sdm72d-m"} & shipped
