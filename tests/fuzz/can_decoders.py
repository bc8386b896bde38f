"""Decoders of CAN: text of adapters, error frames, and what power modules say."""

import functools
import os
import struct
from collections.abc import Mapping

from drivers.api import DeviceError
from drivers.can.families.choice import family_of
from drivers.can.families.told import Family
from drivers.can.frame import Frame
from drivers.can.module_profile import ModuleModel, catalogue
from drivers.can.slcan import SlcanLink
from drivers.can.socketcand import SocketcandLink
from drivers.can.trouble import ErrorState, Trouble, trouble_of
from drivers.profile import builtin_folder
from tests.fuzz.pieces import loop, pieces

BASES = (0x0283F000, 0x0284F000, 0x028AF000, 0x02C2F000, 0x02204000, 0x060F8003, 0x0681407C, 0x0681807C)
"""Identifiers that modules answer with, so that chance does not have to find them."""


class Ear:
    """Notes what a link makes of its bytes."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.troubles: list[Trouble] = []

    def heard(self, frame: Frame) -> None:
        self.frames.append(frame)

    def troubled(self, trouble: Trouble) -> None:
        self.troubles.append(trouble)

    def garbled(self, text: str) -> None:
        """Noise is nothing to believe."""

    def lost(self, text: str) -> None:
        """So is an end."""


class _Port:
    """A port from which nothing comes."""

    def fileno(self) -> int:
        return _quiet()

    def close(self) -> None:
        """It serves the next input too."""


@functools.cache
def _quiet() -> int:
    return os.pipe()[0]


def slcan_text(data: bytes) -> None:
    """Text of an adapter at a serial port."""
    loop().run_until_complete(_slcan_text(data))


async def _slcan_text(data: bytes) -> None:
    ear = Ear()
    link = SlcanLink(_Port(), ear)
    for piece in pieces(data):
        link._feed(piece)
    link.close()
    _judge(ear, data.lower())


def socketcand_text(data: bytes) -> None:
    """Text of a server over TCP."""
    ear = Ear()
    link = SocketcandLink(ear)
    link.ready = True
    for piece in pieces(data):
        link.data_received(piece)
    _judge(ear, data.lower().replace(b" ", b""))


def _judge(ear: Ear, text: bytes) -> None:
    for frame in ear.frames:
        assert frame.possible
        assert frame.data.hex().encode() in text
    assert all(trouble.state is None or trouble.state in ErrorState for trouble in ear.troubles)


def can_error_frame(data: bytes) -> None:
    """An error frame of the kernel."""
    classes = struct.unpack(">I", data[:4].ljust(4, b"\0"))[0]
    trouble = trouble_of(classes, data[4:12])
    counters = (trouble.sending_errors, trouble.receiving_errors)
    assert counters == (None, None) or (len(data) >= 12 and counters == (data[10], data[11]))


def power_module_frame(data: bytes) -> None:
    """A frame of a power module of any family."""
    head = data[:6].ljust(6, b"\0")
    name = sorted(_models())[head[0] % len(_models())]
    can_id = struct.unpack(">I", head[2:6])[0] & 0x1FFFFFFF
    if head[1] & 0x80:
        can_id = BASES[head[1] % len(BASES)] ^ can_id & 0xFF
    try:
        told = _family(name).read(Frame(can_id, data[6:14]))
    except DeviceError:
        return
    limits = _models()[name].profile.limits
    if told is not None:
        assert 0 <= told.address <= 255
        assert abs(told.voltage_mv or 0) <= 1.2 * limits.voltage_max_mv
        assert abs(told.current_ma or 0) <= 1.5 * limits.current_ma


@functools.cache
def _models() -> Mapping[str, ModuleModel]:
    return catalogue(builtin_folder())


@functools.cache
def _family(name: str) -> Family:
    model = _models()[name]
    return family_of(model.profile, model.frames, 1)
