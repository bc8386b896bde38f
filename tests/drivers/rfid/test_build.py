"""Which component a device profile of a reader gets."""

import subprocess
import sys

import pytest

from drivers.profile import builtin_folder, load
from drivers.rfid.build import build_reader, source_of
from drivers.rfid.pcsc import PcscSource
from drivers.rfid.port_source import PortSource
from drivers.setups import ReaderSetup
from tests.drivers.rfid.heard import Heard

READERS = sorted((builtin_folder() / "readers").glob("*.toml"))


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.stem)
def test_every_shipped_reader_has_a_component(path: str) -> None:
    profile = load(builtin_folder() / "readers" / path)
    setup = ReaderSetup("door", "/dev/x", None)
    assert type(source_of(setup, profile)) is {"pcsc": PcscSource}.get(profile.driver, PortSource)
    assert build_reader(setup, profile, Heard()).id == "door"


def test_a_device_profile_of_a_charger_is_refused() -> None:
    with pytest.raises(ValueError, match="keba-p30"):
        build_reader(
            ReaderSetup("door", "/dev/x", None), load(builtin_folder() / "chargers" / "keba-p30.toml"), Heard()
        )


def test_evdev_is_imported_only_for_a_reader_that_plays_a_keyboard() -> None:
    code = "import sys, drivers.rfid.build; sys.exit('evdev' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
