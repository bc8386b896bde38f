"""A scan of a CAN bus against the simulator's modules, over socketcand and slcan."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from drivers.api import DeviceError, Fault
from drivers.can.frame import CanLine, Slcan, Socketcand
from drivers.can.module_profile import ModuleModel, catalogue
from drivers.can.scan import CanPatience, CanScan, ask_can, listen_can
from drivers.profile import builtin_folder
from sim.can.modules import SimHuawei, SimInfyPower, SimModule, SimScu, SimUuGreen
from sim.can.ports import SlcanPty, SocketcandServer
from sim.can.source import Battery, Stage
from sim.can.wire import CanWire, Party, WireFrame

MODELS: Sequence[ModuleModel] = list(catalogue(builtin_folder()).values())
QUICK = CanPatience(listen_s=0.2, answer_s=0.2)
NO_ACK = 0x20
IDS = {SimInfyPower: "infypower-v1.13", SimUuGreen: "uugreenpower-ur1000x0", SimScu: "scu-dpm1000"}


@dataclass
class Rig:
    wire: CanWire
    line: Socketcand
    pty: SlcanPty
    sent: list[WireFrame] = field(default_factory=list)
    """All frames on the bus."""

    def put(self, *modules: tuple[type[SimModule], int]) -> list[SimModule]:
        return [kind(self.wire, address, Stage(Battery(), rated_a=100.0)) for kind, address in modules]

    @property
    def adapter(self) -> Slcan:
        return Slcan(self.pty.path, 125_000)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with _rig() as made:
        yield made


@asynccontextmanager
async def _rig() -> AsyncIterator[Rig]:
    wire = CanWire()
    server = SocketcandServer(wire)
    await server.start()
    pty = SlcanPty(wire)
    made = Rig(wire, Socketcand("127.0.0.1", server.port, "can0", 125_000), pty)
    wire.join(Party(made.sent.append, lambda classes: None))
    try:
        yield made
    finally:
        pty.close()
        await server.stop()


async def ask(*lines: CanLine) -> CanScan:
    return await ask_can(lines, MODELS, told=lambda *_: None, patience=QUICK)


async def listen(*lines: CanLine) -> CanScan:
    return await listen_can(lines, MODELS, told=lambda *_: None, patience=QUICK)


def found(scan: CanScan) -> dict[str, tuple[int, ...]]:
    return {one.model.id: one.addresses for one in scan.modules}


async def test_modules_of_every_family_are_found_on_one_bus(rig: Rig) -> None:
    rig.put((SimInfyPower, 0), (SimInfyPower, 2), (SimUuGreen, 7), (SimScu, 3), (SimHuawei, 9))
    assert found(await ask(rig.line)) == {
        "infypower-v1.13": (0, 2),
        "uugreenpower-ur1000x0": (7,),
        "scu-dpm1000": (3,),
        "huawei-r100040gx": (9,),
    }


@pytest.mark.parametrize("kind", list(IDS))
async def test_modules_are_found_through_an_adapter(rig: Rig, kind: type[SimModule]) -> None:
    rig.put((kind, 1), (kind, 4))
    scan = await ask(rig.adapter)
    assert found(scan) == {IDS[kind]: (1, 4)}
    assert scan.modules[0].line == rig.adapter
    async with asyncio.timeout(5):
        while rig.pty.open:  # the channel is closed again
            await asyncio.sleep(0.01)


async def test_nothing_is_set_or_switched(rig: Rig) -> None:
    modules = rig.put((SimInfyPower, 0), (SimUuGreen, 1), (SimScu, 1), (SimHuawei, 1))
    for module in modules:
        module.stage.on, module.stage.set_v, module.stage.set_a = True, 400.0, 20.0
    await ask(rig.line)
    assert [(one.stage.on, one.stage.set_v, one.stage.set_a) for one in modules] == [(True, 400.0, 20.0)] * 4


async def test_nothing_is_sent_where_another_controller_talks(rig: Rig) -> None:
    rig.put((SimUuGreen, 7))

    async def control() -> None:
        while True:  # reads the voltage of module 7
            rig.wire.put(WireFrame(0x02200000 | 7 << 14, bytes((0x12, 98, 0, 0, 0, 0, 0, 0))), None)
            await asyncio.sleep(0.05)

    talking = asyncio.create_task(control())
    try:
        heard, asked = await listen(rig.line), await ask(rig.line)
    finally:
        talking.cancel()
    assert heard.heard
    assert found(heard) == found(asked) == {"uugreenpower-ur1000x0": (7,)}, "it was overheard"
    assert "Nothing was sent" in asked.notes[0]
    assert {frame.can_id >> 14 & 0x7F for frame in rig.sent} == {7}, "the other one's question and the answer"


async def test_nothing_is_sent_where_unknown_devices_talk(rig: Rig) -> None:
    async def chatter() -> None:
        while True:
            rig.wire.put(WireFrame(0x123, b"\x01", extended=False), None)
            await asyncio.sleep(0.03)

    talking = asyncio.create_task(chatter())
    try:
        scan = await ask(rig.line)
    finally:
        talking.cancel()
    assert scan.modules == ()
    assert "identifiers such as 123" in scan.notes[0]
    assert {frame.can_id for frame in rig.sent} == {0x123}


async def test_listening_sends_nothing_and_tells_the_adapter_to_be_silent(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    answer = rig.pty._answer

    def noted(line: str) -> bytes:
        lines.append(line)
        return answer(line)

    monkeypatch.setattr(rig.pty, "_answer", noted)
    scan = await listen(rig.adapter, Slcan(rig.pty.path, 250_000))
    assert not scan.heard
    assert [line for line in lines if line[0] in "SLO"] == ["S4", "L", "S5", "L"]
    assert rig.sent == []


async def test_the_bit_rates_are_tried_until_somebody_answers(rig: Rig) -> None:
    rig.put((SimScu, 3))
    drop = rig.wire.drop
    rig.wire.drop = lambda frame: rig.pty.speed != 5 or drop(frame)  # the modules have 250 kbit/s
    scan = await ask(rig.adapter, Slcan(rig.pty.path, 250_000), Slcan(rig.pty.path, 500_000))
    assert found(scan) == {"scu-dpm1000": (3,)}
    assert scan.modules[0].line.bitrate == 250_000
    assert rig.pty.speed == 5, "then no other is tried"


async def test_a_bus_without_anybody_is_left_after_the_first_frame(rig: Rig) -> None:
    failing = asyncio.create_task(_fail_soon(rig))
    scan = await ask(rig.line)
    failing.cancel()
    assert not scan.heard
    assert "nobody acknowledges" in scan.notes[0]
    assert len(rig.sent) < 100


async def _fail_soon(rig: Rig) -> None:
    """As a controller does whose frames nobody acknowledges."""
    while not rig.sent:
        await asyncio.sleep(0.005)
    rig.wire.fail(NO_ACK)


async def test_silence_is_told(rig: Rig) -> None:
    scan = await ask(rig.line)
    assert scan.notes == ("125000 bit/s: silence",)


async def test_two_modules_at_one_address_are_told(rig: Rig) -> None:
    _, second = rig.put((SimUuGreen, 7), (SimUuGreen, 7))
    assert isinstance(second, SimUuGreen)
    second.serial = 0x0F1
    (one,) = (await ask(rig.line)).modules
    assert one.addresses == (7,)
    assert "two modules have address 7" in one.notes[0]


async def test_a_bus_that_cannot_be_opened_is_told(rig: Rig) -> None:
    for line in (Slcan("/dev/no-such-adapter", 125_000), Socketcand("127.0.0.1", rig.line.port, "can7", 125_000)):
        with pytest.raises(DeviceError) as refused:
            await ask(line)
        assert refused.value.fault is Fault.CLOSED
