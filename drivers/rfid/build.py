"""A reader of the site -> the component that its device profile asks for."""

from importlib import import_module
from types import ModuleType
from typing import Protocol

from drivers.api import Sink, TokenReader
from drivers.profile import DeviceProfile
from drivers.rfid.pcsc import PcscReader
from drivers.rfid.reader import SerialReader
from drivers.setups import ReaderSetup


class RunningReader(TokenReader, Protocol):
    async def run(self) -> None: ...


def build_reader(setup: ReaderSetup, profile: DeviceProfile, sink: Sink) -> RunningReader:
    """What reads input devices is imported only where one is configured.

    Raises:
        ValueError: the device profile is none of a reader.
    """
    if profile.driver == "keyboard":
        keyboard: ModuleType = import_module("drivers.rfid.keyboard")
        reader: RunningReader = keyboard.KeyboardReader(setup, profile, sink)
        return reader
    if profile.driver == "pcsc":
        return PcscReader(setup, profile, sink)
    return SerialReader(setup, profile, sink)
