"""Module profiles: the shipped ones, and mistakes in one's own."""

from pathlib import Path

import pytest

from drivers.can.module_profile import ModuleProfileError, load, load_shipped, shipped_ids
from drivers.profile import builtin_folder

FOLDER = builtin_folder() / "power-modules"


def test_four_families_are_shipped() -> None:
    assert {load_shipped(name)[0].driver for name in shipped_ids()} == {"infypower", "uugreen", "scu", "huawei"}


def test_only_what_documents_its_time_out_ever_stops_counting() -> None:
    known = {name: load_shipped(name)[0].timing.switches_off_s for name in shipped_ids()}
    assert {name: limit_s for name, limit_s in known.items() if limit_s} == {"infypower-v1.13": 15.0}


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModuleProfileError, match=r"no power module 'acme'; there are huawei"):
        load_shipped("acme")


def own(folder: Path, old: str = "", new: str = "", name: str = "infypower-v1.13") -> Path:
    for suffix in (".dbc", ".module"):
        (folder / f"{name}{suffix}").write_text((FOLDER / f"{name}{suffix}").read_text())
    file = folder / f"{name}.module"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    return file


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('driver = "infypower"', 'driver = "acme"', "driver"),
        ("power_w = 30_000", "", "limits.power_w"),
        ("power_w = 30_000", "power_w = 30_000\ncolour = 1", "limits.colour"),
        ("power_w = 30_000", "power_w = 1.5", "limits.power_w"),
        ("poll_s = 1.0", "poll_s = 5.0", "silent_s is not above poll_s"),
        ("switches_off_s = 15.0", "switches_off_s = 2.0", "switches_off_s is not above silent_s"),
        ("first = 0", "first = 60", "first is above last"),
        ('"output_short_circuit"', '"output_shrt_circuit"', "no status bits output_shrt_circuit"),
        ('dbc = "infypower-v1.13.dbc"', 'dbc = "../infypower-v1.13.dbc"', "beside the profile"),
        ('dbc = "infypower-v1.13.dbc"', 'dbc = "none.dbc"', "none.dbc cannot be read"),
        ("schema = 1", "schema = ", "cannot be read"),
        ('id = "infypower-v1.13"', 'id = "other"', "is called other.module"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(ModuleProfileError, match=text):
        load(own(tmp_path, old, new))


def test_a_broken_dbc_file_is_named(tmp_path: Path) -> None:
    file = own(tmp_path)
    (tmp_path / "infypower-v1.13.dbc").write_text('VERSION "1"\nBO_ nonsense')
    with pytest.raises(ModuleProfileError, match=r"infypower-v1.13.dbc cannot be read"):
        load(file)
