"""A reader of the site -> the component that its device profile asks for."""

from functools import partial
from importlib import import_module

from drivers.api import Sink
from drivers.profile import DeviceProfile
from drivers.rfid import ascii_line, rdm6300
from drivers.rfid.dialogue import Dialogue
from drivers.rfid.listening import Listening, Split
from drivers.rfid.pcsc import PcscSource
from drivers.rfid.pn532 import Pn532
from drivers.rfid.port_source import PortSource
from drivers.rfid.reader import Reader, Source
from drivers.rfid.serial_device import SerialDevice
from drivers.rfid.twn4 import Twn4
from drivers.setups import Line, ReaderSetup


def build_reader(setup: ReaderSetup, profile: DeviceProfile, sink: Sink) -> Reader:
    """Raises ValueError: the device profile is none of a reader."""
    return Reader(setup.id, source_of(setup, profile), repeat_s=profile.repeat_s or 0.0, sink=sink)


def source_of(setup: ReaderSetup, profile: DeviceProfile) -> Source:
    """What reads input devices is imported only where one is configured.

    Raises:
        ValueError: the device profile is none of a reader.
    """
    if profile.driver == "pcsc":
        return PcscSource(setup.id, setup.port, reverse_bytes=profile.identity.reverse_bytes)
    if profile.driver == "keyboard":
        keyboard = import_module("drivers.rfid.keyboard")
        typed = Listening(lines_of(profile), quiet_s=keyboard.QUIET_S)
        return PortSource(setup.port, partial(keyboard.Keyboard, setup.port), typed)
    return PortSource(setup.port, partial(SerialDevice, line_of(setup, profile)), dialogue_of(profile))


def line_of(setup: ReaderSetup, profile: DeviceProfile) -> Line:
    """Port of the site with the settings of the device profile, but for a baud rate that the site gives.

    Raises:
        ValueError: the device profile is none of a serial reader.
    """
    if profile.serial is None:
        raise ValueError(f"device profile {profile.id} has no serial line")
    defaults = profile.serial
    return Line(setup.port, setup.baud or defaults.baud, defaults.parity, defaults.stop_bits)


def lines_of(profile: DeviceProfile) -> Split:
    """How its lines become UIDs.

    Raises:
        ValueError: the device profile does not say it.
    """
    form = profile.ascii
    if form is None:
        raise ValueError(f"device profile {profile.id} does not say what its lines look like")
    return partial(ascii_line.split, decimal=form.digits == "decimal", reverse_bytes=form.reverse_bytes)


def dialogue_of(profile: DeviceProfile) -> Dialogue:
    """How one speaks with a serial reader.

    Raises:
        ValueError: the device profile names no such dialogue.
    """
    match profile.driver:
        case "rdm6300":
            return Listening(rdm6300.split)
        case "ascii-line":
            return Listening(lines_of(profile))
        case "pn532":
            return Pn532(reverse_bytes=profile.identity.reverse_bytes)
        case "twn4":
            return Twn4(reverse_bytes=profile.identity.reverse_bytes)
    raise ValueError(f"device profile {profile.id} names no dialogue of a serial reader")
