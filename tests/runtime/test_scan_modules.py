"""The scan of a CAN bus that the running site carries out, on a simulated bus with modules (R39)."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from controller.charging.commands import CancelScan, Outcome, ReadRegisters, Result, StartScan
from controller.charging.found import FoundView, KnownView, ProposalView, ScanState, ScanView
from controller.clock import Clock
from controller.runtime.scan_modules import ANSWERS, Members, ModuleParts
from controller.runtime.scanning import Scanning, ScanningParts
from controller.runtime.supervise import Supervised
from drivers.api import Health
from drivers.can.frame import Socketcand
from drivers.can.group_setup import GroupSetup
from drivers.can.host import CanWire
from drivers.can.module_profile import ModuleModel, catalogue
from drivers.can.scan import Modules
from drivers.profile import ProfileError, builtin_folder
from sim.can.modules import SimInfyPower, SimModule, SimUuGreen
from sim.can.ports import SocketcandServer
from sim.can.source import Battery, Stage
from sim.can.wire import CanWire as SimWire
from tests.drivers.can.rig import until

MODELS = catalogue(builtin_folder())
INFY, UU = "infypower-v1.13", "uugreenpower-ur1000x0"


@dataclass
class Desk:
    """A scanner with one CAN bus, on which stack-1 of the site is module 3, and its poller runs."""

    sim: SimWire
    server: SocketcandServer
    members: dict[tuple[str, int], Sequence[str]] = field(default_factory=lambda: {("uugreen", 3): ["stack-1"]})
    models: Mapping[str, ModuleModel] = field(default_factory=lambda: MODELS)
    fault: Exception | None = None
    tables: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    changes: int = 0

    async def open(self) -> None:
        line = Socketcand("127.0.0.1", self.server.port, "can0", 125_000)
        self.wire = CanWire("can-1", line, lambda event: None, back_off_s=(0.05,))
        self.group = self.wire.group(GroupSetup("stack-1", (3,), whole_bus=False), MODELS[UU])
        self.parts = ScanningParts(
            buses=lambda: {"can-1": self.wire, "other": object()},
            owners=lambda bus: {},
            profiles=dict,
            fragment=lambda bus, wire, found: "",
            changed=self.changed,
            modules=ModuleParts(self.of_site, self.read_models, self.fragment),
        )
        self.scanning = Scanning(self.parts)
        self.runner = Supervised("scan of a bus", self.scanning.run, Clock())
        works = (self.wire.run(), self.group.run(), self.runner.run())
        self.tasks = [asyncio.create_task(work) for work in works]
        await until(lambda: self.wire.health is Health.OK and self.group.heard)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def of_site(self, bus: str) -> Members:
        return self.members if bus == "can-1" else {}

    def read_models(self) -> Mapping[str, ModuleModel]:
        if self.fault is not None:
            raise self.fault
        return self.models

    def fragment(self, bus: str, found: Sequence[Modules]) -> str:
        self.tables.append((bus, tuple(at for one in found for at in one.addresses)))
        return f"{bus}: {len(found)}"

    def changed(self) -> None:
        self.changes += 1

    def put(self, kind: type[SimModule], address: int) -> SimModule:
        return kind(self.sim, address, Stage(Battery(), rated_a=100.0))

    async def scan(self, *addresses: int, bus: str = "can-1") -> Outcome:
        return await self.scanning.ask(StartScan(bus, addresses))

    async def ended(self) -> ScanView:
        await until(lambda: self.scanning.view().state is not ScanState.RUNNING, "the end", 60)
        return self.scanning.view()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    sim = SimWire()
    server = SocketcandServer(sim)
    await server.start()
    made = Desk(sim, server)
    made.put(SimUuGreen, 3)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
        await server.stop()


async def test_r39_modules_that_site_toml_lacks_are_shown_with_proposals_and_tables(desk: Desk) -> None:
    desk.put(SimUuGreen, 4)
    desk.put(SimInfyPower, 4)
    started = await desk.scan(3, 4, 5)
    assert (started.result, "charging goes on" in started.text) == (Result.DONE, True)
    running = desk.scanning.view()
    assert running.known == (KnownView(3, ("stack-1",), "module"),)
    assert running.notes == (), "a bus has one bit rate: nothing else could be found"
    view = await desk.ended()
    assert (view.state, view.text) == (ScanState.DONE, "2 new devices found")
    where = f"127.0.0.1:{desk.server.port}/can0 125000 bit/s"
    assert view.found == (
        FoundView(where, 4, (ProposalView(INFY, "likely", (ANSWERS,)),), (), "module"),
        FoundView(where, 4, (ProposalView(UU, "likely", (ANSWERS,)),), (), "module"),
    )
    assert view.fragment == "can-1: 2"
    assert [(one.bus, one.wire) for one in view.wires] == [("can-1", where)]
    assert desk.changes >= 3


async def test_two_models_of_one_protocol_are_both_possible(desk: Desk) -> None:
    twin = MODELS[UU]
    other = replace(twin, profile=twin.profile.model_copy(update={"id": "own-uu"}))
    desk.models = {UU: twin, "own-uu": other}
    desk.put(SimUuGreen, 4)
    await desk.scan(4)
    (found,) = (await desk.ended()).found
    assert [(one.profile, one.confidence) for one in found.proposals] == [(UU, "possible"), ("own-uu", "possible")]


async def test_a_scan_of_modules_shows_how_far_it_is_and_is_cancelled(desk: Desk) -> None:
    late = desk.put(SimInfyPower, 59)
    await desk.scan()
    await until(lambda: desk.scanning.view().done > 1, "progress")
    view = desk.scanning.view()
    assert view.of > 300
    assert "is it " in view.text
    assert (await desk.scan()).result is Result.REFUSED, "one at a time"
    assert (await desk.scanning.ask(CancelScan())).result is Result.DONE
    assert desk.scanning.view().state is ScanState.CANCELLED
    heard = late.heard
    await asyncio.sleep(0.5)
    assert late.heard == heard
    await until(lambda: desk.scanning._job is None, "its end")
    assert (await desk.scan(5)).result is Result.DONE
    assert (await desk.ended()).state is ScanState.DONE


async def test_a_bus_that_is_not_open_is_told(desk: Desk) -> None:
    await desk.server.stop()
    await until(lambda: desk.wire.health is Health.LOST, "the loss")
    await desk.scan()
    view = await desk.ended()
    assert (view.state, view.text) == (ScanState.FAILED, "the bus is not open: see the alarms")


async def test_a_faulty_module_profile_of_the_site_is_told(desk: Desk) -> None:
    desk.fault = ProfileError(("own.toml: id: is missing",))
    await desk.scan()
    view = await desk.ended()
    assert (view.state, "own.toml" in view.text) == (ScanState.FAILED, True)


async def test_registers_are_no_matter_of_a_can_bus(desk: Desk) -> None:
    read = await desk.scanning.ask(ReadRegisters("can-1", 1, "holding", 0, 1))
    assert read.result is Result.UNKNOWN


async def test_without_models_a_can_bus_is_not_offered(desk: Desk) -> None:
    scanning = Scanning(replace(desk.parts, modules=None))
    assert scanning.view().wires == ()
    assert (await scanning.ask(StartScan("can-1"))).result is Result.UNKNOWN
