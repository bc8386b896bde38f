"""`ampyard profiles`."""

from pathlib import Path

from controller.config.problems import EXIT_CONFIG
from controller.terminal import EXIT_FAILED
from drivers.profile import builtin_folder
from tests.commissioning.conftest import Ampyard

SHIPPED = builtin_folder() / "meters" / "eastron-sdm120.toml"


async def test_a_sound_profile_is_checked_and_summarised(ampyard: Ampyard) -> None:
    ended = await ampyard("profiles", "check", SHIPPED)
    assert ended.status == 0, ended.err
    assert "eastron-sdm120.toml: sound" in ended.out
    assert "meter, confidence high" in ended.out


async def test_every_fault_of_every_file_is_told_with_its_key(ampyard: Ampyard, tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace('kind = "meter"', 'kind = "toaster"').replace("baud = 2400", "baud = 7")
    bad = tmp_path / SHIPPED.name
    bad.write_text(text)
    ended = await ampyard("profiles", "check", bad, tmp_path / "missing.toml", SHIPPED)
    assert ended.status == EXIT_CONFIG
    assert "eastron-sdm120.toml: kind:" in ended.err
    assert "eastron-sdm120.toml: rtu.baud" in ended.err
    assert "missing.toml: file:" in ended.err
    assert "sound" not in ended.out


async def test_the_list_has_the_shipped_profiles_and_those_beside_the_site(
    ampyard: Ampyard, tmp_path: Path
) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    (own / "my-meter.toml").write_text(SHIPPED.read_text().replace('"eastron-sdm120"', '"my-meter"', 1))
    (own / "broken.toml").write_text("nothing = 1")
    ended = await ampyard("profiles", "list", "sdm120", "-c", tmp_path / "site.toml")
    assert ended.status == 0, ended.err
    assert [line.split()[0] for line in ended.out.splitlines()[1:]] == ["eastron-sdm120", "my-meter"]
    assert "broken.toml is left out" in ended.err


async def test_a_name_that_nothing_has_is_told(ampyard: Ampyard, tmp_path: Path) -> None:
    ended = await ampyard("profiles", "list", "toaster", "-c", tmp_path / "site.toml")
    assert ended.status == EXIT_FAILED
    assert "'toaster'" in ended.err


async def test_power_modules_are_listed_and_checked_as_all_other_profiles(ampyard: Ampyard, tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    shipped = builtin_folder() / "power-modules" / "infypower-v1.13.toml"
    (own / "my-modules.toml").write_text(shipped.read_text().replace('"infypower-v1.13"', '"my-modules"', 1))
    (own / "infypower-v1.13.dbc").write_text(shipped.with_suffix(".dbc").read_text())
    ended = await ampyard("profiles", "list", "infypower", "-c", tmp_path / "site.toml")
    assert ended.status == 0, ended.err
    assert [line.split()[:2] for line in ended.out.splitlines()[1:]] == [
        ["infypower-v1.13", "power_module"],
        ["my-modules", "power_module"],
    ]
    ended = await ampyard("profiles", "check", own / "my-modules.toml")
    assert ended.status == 0, ended.err
    assert "at most 4 work together" in ended.out
    (own / "infypower-v1.13.dbc").unlink()
    ended = await ampyard("profiles", "check", own / "my-modules.toml")
    assert ended.status == EXIT_CONFIG
    assert "my-modules.toml: dbc:" in ended.err


async def test_a_shipped_profile_is_shown_as_its_file_is_and_the_sites_own_counts(
    ampyard: Ampyard, tmp_path: Path
) -> None:
    ended = await ampyard("profiles", "show", "eastron-sdm120", "-c", tmp_path / "site.toml")
    assert (ended.status, ended.out) == (0, SHIPPED.read_text())
    assert str(SHIPPED) in ended.err
    own = tmp_path / "profiles" / "meters"
    own.mkdir(parents=True)
    (own / "eastron-sdm120.toml").write_text("half = 1\n")
    ended = await ampyard("profiles", "show", "eastron-sdm120", "-c", tmp_path / "site.toml")
    assert (ended.status, ended.out) == (0, "half = 1\n")


async def test_a_profile_that_is_not_there_is_told_with_those_that_are_like_it(
    ampyard: Ampyard, tmp_path: Path
) -> None:
    ended = await ampyard("profiles", "show", "eastron-sdm12", "-c", tmp_path / "site.toml")
    assert ended.status == EXIT_FAILED
    assert "did you mean eastron-sdm120" in ended.err
    ended = await ampyard("profiles", "show", "../chargers/keba-p30", "-c", tmp_path / "site.toml")
    assert ended.status == EXIT_FAILED
    assert ended.out == ""


async def test_what_is_no_file_is_told_without_a_word_of_errno(ampyard: Ampyard, tmp_path: Path) -> None:
    ended = await ampyard("profiles", "check", "keba-p30", tmp_path)
    assert ended.status == EXIT_CONFIG
    assert "keba-p30: file: there is no such file; of a shipped one `ampyard profiles show keba-p30`" in ended.err
    assert f"{tmp_path}: file: is a folder" in ended.err
    assert "Errno" not in ended.err
