"""Which profile files a start reads, and how often."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from controller.config.library import site_profiles
from controller.config.problems import ConfigError
from controller.config.read import read
from drivers.profile import builtin_folder, catalogue
from tests.config.conftest import Desk

DC = Path(__file__).with_name("dc.toml").read_text(encoding="utf-8")
STACK = 'id = "stack-1"\nprofile = "{}"'


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of a profile was read, by its name."""
    count: Counter[str] = Counter()
    read_text = Path.read_text

    def counted(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if path.suffix in (".toml", ".dbc") and path.name != "site.toml":
            count[path.name] += 1
        return read_text(path, encoding, errors)

    monkeypatch.setattr(Path, "read_text", counted)
    return count


def own(desk: Desk, *shipped: str) -> Path:
    folder = desk.folder / "profiles"
    folder.mkdir()
    for name in shipped:
        shutil.copy(builtin_folder() / name, folder)
    return folder


def test_of_the_shipped_profiles_a_start_reads_those_that_the_site_names_and_each_once(
    desk: Desk, opened: Counter[str]
) -> None:
    assert read(desk.write()).plant.evses
    assert opened == {
        "eastron-sdm630-v2.toml": 1,
        "eastron-sdm72d-m-v2.toml": 1,
        "heidelberg-energy-control.toml": 1,
        "keba-p30.toml": 1,
        "evse-wb-din.toml": 1,
        "rdm6300.toml": 1,
    }


def test_of_an_own_folder_every_file_is_read_once_also_where_devices_and_power_modules_are_wanted_of_it(
    desk: Desk, opened: Counter[str]
) -> None:
    desk.text = DC
    own(desk, "meters/eastron-sdm54.toml", "power-modules/scu-dpm1000.toml", "power-modules/scu-dpm1000.dbc")
    assert read(desk.write()).plant.clusters
    assert opened == {
        "eastron-sdm54.toml": 1,
        "scu-dpm1000.toml": 1,
        "scu-dpm1000.dbc": 1,
        "ampyard-secc.toml": 1,
        "infypower-v1.13.toml": 1,
        "infypower-v1.13.dbc": 1,
    }


def test_every_fault_of_an_own_folder_is_told_with_those_of_the_profiles_that_replace_nothing(desk: Desk) -> None:
    folder = own(desk, "chargers/keba-p30.toml", "meters/eastron-sdm54.toml")
    for path in folder.iterdir():
        path.write_text(path.read_text().replace("schema = 1", "schema = 2"))
    (folder / "deep").mkdir()
    (folder / "deep" / "endless.toml").write_text("kind = ")
    with pytest.raises(ConfigError) as caught:
        read(desk.write(('circuit = "board-b"', 'circuit = "nowhere"')))
    named = [Path(problem.split(":")[0]).name for problem in caught.value.problems]
    assert named == ["endless.toml", "eastron-sdm54.toml", "keba-p30.toml"]


def test_an_own_profile_is_no_model_of_power_modules_and_the_other_way_round(desk: Desk) -> None:
    desk.text = DC
    own(desk, "meters/eastron-sdm54.toml")
    problems = desk.problems((STACK.format("infypower-v1.13"), STACK.format("eastron-sdm54")))
    assert problems[0] == (
        "power_modules[stack-1].profile: there is no power module 'eastron-sdm54'; there are huawei-r100040gx, "
        "infypower-v1.13, scu-dpm1000, uugreenpower-ur1000x0"
    )


@pytest.mark.parametrize("name", ["infypower-v1.13", "../chargers/keba-p30", "keba-p30.toml", "*"])
def test_what_is_no_id_of_a_device_profile_is_unknown(desk: Desk, name: str) -> None:
    problems = desk.problems(('profile = "keba-p30"', f'profile = "{name}"'))
    [problem] = problems
    assert problem.startswith(f"evses[A3].profile: there is no device profile {name!r}")


@pytest.mark.parametrize(
    "text", ["x = 1e99999999999999999999", "x = " + "9" * 5000, "x = " + "[" * 100_000, "x =", "\x00"]
)
def test_whatever_lies_in_an_own_folder_is_a_problem_of_that_file(desk: Desk, text: str) -> None:
    file = own(desk) / "odd.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"odd\.toml: file: "):
        read(desk.write())
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"odd\.toml: file: "):
        read(desk.write())


def test_a_search_for_devices_knows_all_profiles_and_the_site_s_own(desk: Desk) -> None:
    shipped = set(catalogue(builtin_folder()))
    assert set(site_profiles(desk.file)) == shipped
    text = (builtin_folder() / "meters" / "eastron-sdm54.toml").read_text()
    (own(desk) / "of-our-own.toml").write_text(text.replace('id = "eastron-sdm54"', 'id = "of-our-own"'))
    assert set(site_profiles(desk.file)) == shipped | {"of-our-own"}
