"""A simulated bus with modules, a way in, and the group that drives them, with times short enough for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drivers.api import DeviceEvent
from drivers.can.bus import CanBus
from drivers.can.families.choice import family_of
from drivers.can.frame import CanLine, Slcan, Socketcand
from drivers.can.group import ModuleGroup
from drivers.can.group_setup import GroupSetup, Target
from drivers.can.module import ModuleView
from drivers.can.module_profile import ModuleModel, ModuleProfile, catalogue, load
from drivers.profile import builtin_folder
from sim.can.modules import SimHuawei, SimInfyPower, SimModule, SimScu, SimUuGreen
from sim.can.ports import SlcanPty, SocketcandServer
from sim.can.source import Battery, Stage
from sim.can.wire import CanWire

FAMILIES: dict[str, type[SimModule]] = {
    "infypower-v1.13": SimInfyPower,
    "uugreenpower-ur1000x0": SimUuGreen,
    "scu-dpm1000": SimScu,
    "huawei-r100040gx": SimHuawei,
}
QUICK = {"poll_s": 0.05, "silent_s": 0.4, "settle_s": 0.12, "prepare_s": 0.0}


async def until(holds: Callable[[], bool], what: str = "it", within_s: float = 15.0) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen") from None


def shipped(profile_id: str) -> ModuleModel:
    return load(builtin_folder() / "power-modules" / f"{profile_id}.toml")


def shipped_ids() -> list[str]:
    return sorted(catalogue(builtin_folder()))


def quick(profile_id: str, **timing: float) -> ModuleProfile:
    profile = shipped(profile_id).profile
    return profile.model_copy(update={"timing": profile.timing.model_copy(update={**QUICK, **timing})})


@dataclass
class Rig:
    wire: CanWire
    bus: CanBus
    group: ModuleGroup
    modules: list[SimModule]
    battery: Battery
    server: SocketcandServer
    task: asyncio.Task[None]
    events: list[DeviceEvent] = field(default_factory=list)

    @property
    def amperes(self) -> float:
        return sum(module.amperes for module in self.modules)

    def aim(self, volts: int, amperes: int, for_s: float = 30.0) -> None:
        until_s = asyncio.get_running_loop().time() + for_s
        self.group.aim(Target(volts * 1000, amperes * 1000, until_s))

    async def delivers(self, amperes: float) -> None:
        try:
            await until(lambda: abs(self.amperes - amperes) < 1.0)
        except AssertionError:
            raise AssertionError(f"{self.amperes} A, not {amperes}: {self.group.reading()}") from None

    async def off(self) -> None:
        await until(lambda: all(view.state.value == "off" for view in self.views()) and bool(self.views()), "off")

    def views(self) -> tuple[ModuleView, ...]:
        return self.group.reading().modules


@asynccontextmanager
async def rig(
    profile_id: str, *, by: str = "socketcand", count: int = 3, timeout_s: float | None = None, **timing: float
) -> AsyncIterator[Rig]:
    wire, battery = CanWire(), Battery(volts=350.0, most_a=500.0)
    first = 0 if profile_id.startswith("infy") else 1
    modules = [
        FAMILIES[profile_id](wire, first + place, Stage(battery, rated_a=100.0, timeout_s=timeout_s))
        for place in range(count)
    ]
    server = SocketcandServer(wire)
    await server.start()
    pty = SlcanPty(wire)
    line: CanLine = Socketcand("127.0.0.1", server.port, "can0", 125_000)
    if by == "slcan":
        line = Slcan(pty.path, 125_000)
    events: list[DeviceEvent] = []
    bus = CanBus("dc", line, events.append, back_off_s=(0.05, 0.1))
    profile, frames = quick(profile_id, **timing), shipped(profile_id).frames
    setup = GroupSetup("out1", tuple(module.address for module in modules), whole_bus=True)
    group = ModuleGroup(setup, profile, family_of(profile, frames), bus=bus, sink=events.append)
    tasks = [asyncio.create_task(bus.run()), asyncio.create_task(group.run())]
    try:
        yield Rig(wire, bus, group, modules, battery, server, tasks[1], events)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pty.close()
        await server.stop()
