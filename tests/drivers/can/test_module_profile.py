"""Module profiles: the shipped ones, and mistakes in one's own."""

from pathlib import Path

import pytest

from drivers.can.module_profile import catalogue, load
from drivers.profile import ProfileError, builtin_folder
from drivers.profile import catalogue as device_catalogue

FOLDER = builtin_folder() / "power-modules"


def test_four_families_are_shipped() -> None:
    drivers = {model.profile.driver for model in catalogue(builtin_folder()).values()}
    assert drivers == {"infypower", "uugreen", "scu", "huawei"}


def test_only_what_documents_its_time_out_ever_stops_counting() -> None:
    models = catalogue(builtin_folder())
    known = {name: model.profile.timing.switches_off_s for name, model in models.items()}
    assert {name: limit_s for name, limit_s in known.items() if limit_s} == {"infypower-v1.13": 15.0}


def test_device_profiles_and_power_modules_share_a_folder_and_are_told_apart_by_their_kind(tmp_path: Path) -> None:
    own(tmp_path)
    (tmp_path / "ampyard-secc.toml").write_text((builtin_folder() / "seccs" / "ampyard-secc.toml").read_text())
    assert set(catalogue(tmp_path)) == {"infypower-v1.13"}
    assert set(device_catalogue(tmp_path)) == {"ampyard-secc"}
    assert not set(catalogue(builtin_folder())) & set(device_catalogue(builtin_folder()))


def test_a_site_may_replace_a_shipped_model(tmp_path: Path) -> None:
    own(tmp_path, "power_w = 30_000", "power_w = 20_000")
    models = catalogue(builtin_folder(), tmp_path)
    assert models["infypower-v1.13"].profile.limits.power_w == 20_000
    assert models["infypower-v1.13"] != catalogue(builtin_folder())["infypower-v1.13"]
    assert catalogue(builtin_folder()) == catalogue(builtin_folder()), "read again, nothing restarts"


def test_a_file_that_tells_no_kind_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text("schema = 1")
    assert catalogue(tmp_path) == {}
    with pytest.raises(ProfileError, match="kind"):
        device_catalogue(tmp_path)


def own(folder: Path, old: str = "", new: str = "", name: str = "infypower-v1.13") -> Path:
    for suffix in (".dbc", ".toml"):
        (folder / f"{name}{suffix}").write_text((FOLDER / f"{name}{suffix}").read_text())
    file = folder / f"{name}.toml"
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
        ("schema = 1", "schema = ", "file: Invalid value"),
        ('id = "infypower-v1.13"', 'id = "other"', "'other' must be the name of the file"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(ProfileError, match=text):
        load(own(tmp_path, old, new))


def test_a_broken_dbc_file_is_named(tmp_path: Path) -> None:
    file = own(tmp_path)
    (tmp_path / "infypower-v1.13.dbc").write_text('VERSION "1"\nBO_ nonsense')
    with pytest.raises(ProfileError, match=r"infypower-v1.13.dbc cannot be read"):
        load(file)
