"""What power modules say on a CAN bus, and a process that says it again and again at 60 % of 500 kbit/s.

The frames are those with which the simulator's modules of four families answer to the polls of our families. They
go out through the simulator's socketcand server, paced by the bits that they take on the wire.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Mapping

from drivers.can.families.choice import family_of
from drivers.can.families.told import Family
from drivers.can.module_profile import catalogue
from drivers.profile import builtin_folder
from sim.can.modules import SimHuawei, SimInfyPower, SimModule, SimScu, SimUuGreen
from sim.can.ports import SocketcandServer
from sim.can.source import Battery, Stage
from sim.can.wire import CanWire, Party, WireFrame

BITRATE, LOAD = 500_000, 0.6
MODULES = 4
SIMULATED: Mapping[str, type[SimModule]] = {
    "infypower-v1.13": SimInfyPower,
    "uugreenpower-ur1000x0": SimUuGreen,
    "scu-dpm1000": SimScu,
    "huawei-r100040gx": SimHuawei,
}
ANSWERED_S = 0.3
PACE_S = 0.001


def families() -> dict[str, Family]:
    found = catalogue(builtin_folder())
    return {name: family_of(found[name].profile, found[name].frames) for name in SIMULATED}


async def answers() -> list[WireFrame]:
    """To each poll of each module of each family, in an order that mixes the families."""
    heard: list[list[WireFrame]] = []
    for name, family in families().items():
        wire, said = CanWire(), list[WireFrame]()
        first = 0 if name.startswith("infy") else 1
        for address in range(first, first + MODULES):
            stage = Stage(Battery(volts=350.0 + address), rated_a=100.0, on=True, set_v=400.0, set_a=20.0 + address)
            SIMULATED[name](wire, address, stage)
        asking = Party(said.append, lambda classes: None)
        wire.join(asking)
        for address in range(first, first + MODULES):
            for frame in (*family.poll(address), *family.describe(address)):
                wire.put(WireFrame(frame.id, frame.data, frame.extended), asking)
        await asyncio.sleep(ANSWERED_S)
        heard.append(said)
    return [frame for together in itertools.zip_longest(*heard) for frame in together if frame is not None]


async def _talk() -> None:
    wire, frames = CanWire(), await answers()
    server = SocketcandServer(wire)
    await server.start()
    sys.stdout.write(json.dumps({"port": server.port}) + "\n")
    sys.stdout.flush()
    talking = asyncio.create_task(_pace(wire, frames))
    await asyncio.to_thread(sys.stdin.read)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    await server.stop()


async def _pace(wire: CanWire, frames: list[WireFrame]) -> None:
    """Each as soon as those before it have passed; what a busy machine held up is not made up for."""
    due_s = time.monotonic()
    for frame in itertools.cycle(frames):
        due_s += frame.bits / BITRATE / LOAD
        while (ahead_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(max(ahead_s, PACE_S))
        due_s = max(due_s, time.monotonic() - 0.05)
        wire.put(frame, None)


if __name__ == "__main__":
    asyncio.run(_talk())
