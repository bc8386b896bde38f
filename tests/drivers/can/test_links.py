"""slcan, socketcand and python-can against the simulated bus: what is a frame, and what is noise."""

import asyncio
from dataclasses import dataclass, field

import can
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.can.frame import Frame, Slcan, SocketCan, Socketcand
from drivers.can.link import Link
from drivers.can.slcan import frame_of, open_slcan
from drivers.can.socketcan import PythonCanLink, open_socketcan
from drivers.can.socketcand import SocketcandLink, open_socketcand
from drivers.can.trouble import ErrorState, Trouble
from sim.can.ports import SlcanPty, SocketcandServer
from sim.can.wire import CanWire, Party, WireFrame
from tests.drivers.can.rig import until


@dataclass
class Ear:
    frames: list[Frame] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def heard(self, frame: Frame) -> None:
        self.frames.append(frame)

    def troubled(self, trouble: Trouble) -> None:
        self.troubles.append(trouble)

    def garbled(self, text: str) -> None:
        self.noise.append(text)

    def lost(self, text: str) -> None:
        self.ends.append(text)


SAMPLES = [Frame(0x1FFFFFFF, bytes(range(8))), Frame(0, b""), Frame(0x7FF, b"\xff\x00", extended=False)]


async def both_ways(link: Link, ear: Ear, wire: CanWire) -> None:
    seen: list[WireFrame] = []
    wire.join(Party(seen.append, lambda classes: None))
    for frame in SAMPLES:
        assert link.send(frame)
    await until(lambda: len(seen) == 3)
    assert [Frame(frame.can_id, frame.data, frame.extended) for frame in seen] == SAMPLES
    for frame in SAMPLES:
        wire.put(WireFrame(frame.id, frame.data, frame.extended), None)
    await until(lambda: len(ear.frames) == 3)
    assert ear.frames == SAMPLES
    assert not ear.noise


async def test_socketcand_carries_frames_both_ways() -> None:
    wire, ear = CanWire(), Ear()
    server = SocketcandServer(wire)
    await server.start()
    link = await open_socketcand(Socketcand("127.0.0.1", server.port, "can0", 500_000), ear)
    await both_ways(link, ear, wire)
    wire.fail(0x40)
    await until(lambda: bool(ear.troubles))
    assert ear.troubles[0].state is ErrorState.BUS_OFF
    server.disconnect()
    await until(lambda: bool(ear.ends))
    with pytest.raises(OSError, match="not connected"):
        link.send(SAMPLES[0])
    link.close()
    await server.stop()


async def test_socketcand_tells_why_it_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.can.socketcand.STEP_S", 0.2)
    server = SocketcandServer(CanWire(), "can0")
    await server.start()
    port = server.port
    with pytest.raises(OSError, match="is the channel's name right"):
        await open_socketcand(Socketcand("127.0.0.1", port, "can7", 500_000), Ear())
    server.mute = True
    with pytest.raises(OSError, match="does not answer"):
        await open_socketcand(Socketcand("127.0.0.1", port, "can0", 500_000), Ear())
    await server.stop()
    with pytest.raises(OSError):
        await open_socketcand(Socketcand("127.0.0.1", port, "can0", 500_000), Ear())


async def test_slcan_carries_frames_both_ways_and_asks_for_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.can.slcan.FLAGS_EVERY_S", 0.05)
    wire, ear = CanWire(), Ear()
    pty = SlcanPty(wire)
    link = await open_slcan(Slcan(pty.path, 125_000), ear)
    await until(lambda: pty.open)
    assert pty.speed == 4
    await both_ways(link, ear, wire)
    pty.flags(0x20)
    await until(lambda: any(trouble.state is ErrorState.PASSIVE for trouble in ear.troubles))
    link.close()
    await until(lambda: not pty.open)
    pty.close()
    assert not ear.ends


async def test_slcan_notices_that_the_adapter_was_pulled() -> None:
    ear, pty = Ear(), SlcanPty(CanWire())
    link = await open_slcan(Slcan(pty.path, 125_000), ear)
    pty.close()
    await until(lambda: bool(ear.ends))
    with pytest.raises(OSError):
        link.send(SAMPLES[0])


async def test_slcan_refuses_a_bit_rate_that_no_adapter_has() -> None:
    with pytest.raises(OSError, match="choose one of 10000"):
        await open_slcan(Slcan("/dev/null", 123), Ear())
    with pytest.raises(OSError, match="cannot be opened"):
        await open_slcan(Slcan("/dev/there-is-none", 125_000), Ear())


async def test_a_bus_of_python_can_works_without_a_thread() -> None:
    """The kernel's interfaces are not in every machine: python-can's own slcan stands for them, at the same pty."""
    wire, ear = CanWire(), Ear()
    pty = SlcanPty(wire)
    opened = await asyncio.to_thread(
        lambda: can.Bus(interface="slcan", channel=pty.path, bitrate=125_000, sleep_after_open=0, timeout=0)
    )
    link = PythonCanLink(opened, ear)
    await until(lambda: pty.open)
    await both_ways(link, ear, wire)
    link.close()
    link.close()
    with pytest.raises(OSError):
        link.send(SAMPLES[0])
    pty.close()


async def test_an_interface_that_is_missing_is_named_with_what_to_do() -> None:
    with pytest.raises(OSError, match="ip link set can-none up type can bitrate 125000"):
        await open_socketcan(SocketCan("can-none", 125_000), Ear())


@given(data=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"< frame ", b" >", b"123 1.5 ", b"00"]))))
def test_any_bytes_from_socketcand_are_frames_or_noise(data: list[bytes]) -> None:
    ear = Ear()
    link = SocketcandLink(ear)
    link.ready = True
    for piece in data:
        link.data_received(piece)
    assert all(frame.possible for frame in ear.frames)
    link.data_received(b">< frame 00000123 1.500000 0102 >")
    assert ear.frames[-1:] == [Frame(0x123, b"\x01\x02")], "it finds its way back"


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b"T0000012320102", Frame(0x123, b"\x01\x02")),
        (b"t1230", Frame(0x123, b"", extended=False)),
        (b"t12311a2b3c", Frame(0x123, b"\x1a", extended=False)),  # with a time stamp
        (b"T00000123201", None),
        (b"T200001230", None),
        (b"T000001239010203040506070809", None),
        (b"t8000", None),
        (b"t12 0", None),
        (b"T", None),
        (b"T+00012311a", None),
    ],
)
def test_a_line_of_an_adapter_is_a_frame_or_nothing(line: bytes, frame: Frame | None) -> None:
    assert frame_of(line, extended=line[:1] == b"T") == frame


@given(line=st.one_of(st.binary(max_size=40), st.from_regex(rb"[tT][0-9A-Fa-f]{0,24}", fullmatch=True)))
def test_any_line_of_an_adapter_is_a_frame_or_nothing(line: bytes) -> None:
    frame = frame_of(line, extended=line[:1] == b"T")
    assert frame is None or frame.possible
