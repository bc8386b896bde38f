"""A search for modules on a bus whose own modules deliver all the while (R39)."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from drivers.api import DeviceError, Fault, Health
from drivers.can.frame import Socketcand
from drivers.can.module_profile import ModuleModel, ModuleProfile, catalogue
from drivers.can.scan import CanPatience, CanScan, Modules
from drivers.can.scan_running import Member, Sought, Watch, scan_running_bus
from drivers.profile import builtin_folder
from sim.can.modules import SimInfyPower, SimModule, SimUuGreen
from sim.can.source import Battery, Stage
from sim.can.wire import Party, WireFrame
from tests.drivers.can.rig import FAMILIES, Rig, rig, until

MODELS: Sequence[ModuleModel] = list(catalogue(builtin_folder()).values())
DRIVERS = {one.id: one.profile.driver for one in MODELS}
INFY, UU, SCU, HUAWEI = FAMILIES
BUS_ERROR = 0x80
QUICK = CanPatience(listen_s=0.3, answer_s=0.3)


@dataclass
class Seen:
    told: list[tuple[str, int, int]] = field(default_factory=list)
    found: list[dict[str, tuple[int, ...]]] = field(default_factory=list)

    @property
    def watch(self) -> Watch:
        return Watch(lambda *step: self.told.append(step), lambda modules: self.found.append(names(modules)))


def names(modules: Sequence[Modules]) -> dict[str, tuple[int, ...]]:
    return {one.model.id: one.addresses for one in modules}


def members(site: Rig, profile_id: str) -> set[Member]:
    return {(DRIVERS[profile_id], module.address) for module in site.modules}


async def search(
    site: Rig, known: Collection[Member], *addresses: int, seen: Seen | None = None, listen_s: float = 0.3
) -> CanScan:
    line = Socketcand("127.0.0.1", site.server.port, "can0", 125_000)
    sought = Sought(MODELS, lambda: known, addresses, CanPatience(listen_s=listen_s, answer_s=0.3))
    return await scan_running_bus(site.bus, line, sought, (seen or Seen()).watch)


def stranger(site: Rig, kind: type[SimModule], address: int) -> SimModule:
    return kind(site.wire, address, Stage(Battery(), rated_a=100.0))


def at_bitrate(profile: ModuleProfile, bitrate: int) -> ModuleProfile:
    return profile.model_copy(update={"can": profile.can.model_copy(update={"bitrate": bitrate})})


@asynccontextmanager
async def delivering(profile_id: str) -> AsyncIterator[tuple[Rig, list[WireFrame]]]:
    """Modules that deliver 90 A for a long time, and all frames on the bus."""
    frames: list[WireFrame] = []
    async with rig(profile_id) as site:
        site.wire.join(Party(frames.append, lambda classes: None))
        await site.off()
        site.aim(400, 90, for_s=600)
        await site.delivers(90)
        yield site, frames


@pytest.mark.parametrize("profile_id", FAMILIES)
async def test_r39_strangers_of_every_family_are_found_while_the_sites_own_deliver(profile_id: str) -> None:
    async with delivering(profile_id) as (site, _):
        for place, kind in enumerate(FAMILIES.values()):
            stranger(site, kind, 10 + place).stage.on = False
        seen, offered = Seen(), site.amperes
        scan = await search(site, members(site, profile_id), *range(16), seen=seen)
        assert names(scan.modules) == {one: (10 + place,) for place, one in enumerate(FAMILIES)}
        assert scan.notes == ()
        assert seen.found[-1] == names(scan.modules), "and each was told as soon as it was known"
        assert len(seen.found) == 4
        assert seen.told[0] == ("listening at 125000 bit/s", 0, 0)
        assert [done for _, done, _ in seen.told[1:]] == list(range(len(seen.told) - 1))
        assert {of for _, _, of in seen.told[1:]} == {len(seen.told) - 1}
        assert abs(site.amperes - offered) < 1.0
        assert site.bus.health is Health.OK


async def test_r39_a_module_of_the_site_hears_nothing_of_a_search() -> None:
    """One that fell silent would stay live: its own time-out runs only while it hears nothing."""
    async with rig(UU, count=2) as site:
        await until(lambda: site.bus.health is Health.OK)
        site.task.cancel()
        await asyncio.gather(site.task, return_exceptions=True)
        quiet = [*site.modules, stranger(site, FAMILIES[HUAWEI], 7)]
        await until(lambda: all(one.amperes == 0 for one in site.modules))
        heard = [one.heard for one in quiet]
        known = {*members(site, UU), (DRIVERS[HUAWEI], 7)}
        scan = await search(site, known, 1, 2, 3, 7)
        assert [one.heard for one in quiet] == heard
        assert scan.modules == ()
        assert scan.notes == ("of the modules of this site nothing was heard from address 1, 2, 7",)


async def test_a_search_sets_and_switches_nothing() -> None:
    async with delivering(UU) as (site, frames):
        strange = [stranger(site, kind, 40) for kind in FAMILIES.values()]
        for one in strange:
            one.stage.on, one.stage.set_v, one.stage.set_a = True, 400.0, 20.0
        del frames[:]
        scan = await search(site, members(site, UU), 40)
        assert len(scan.modules) == 4
        assert [(one.stage.on, one.stage.set_v, one.stage.set_a) for one in strange] == [(True, 400.0, 20.0)] * 4
        assert [one.heard for one in strange] == [1] * 4, "one question each"


async def test_only_the_addresses_that_were_wanted_are_asked() -> None:
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        seen = Seen()
        await search(site, members(site, UU), 1, 2, seen=seen)
        asked = [text for text, _, _ in seen.told[1:]]
        assert len(asked) == 7, "address 1 is taken in one family only"
        assert {of for _, _, of in seen.told[1:]} == {7}
        assert f"address 1: is it {UU}?" not in asked
        assert f"address 2: is it {UU}?" in asked


async def test_a_model_that_needs_another_bit_rate_is_not_asked_for() -> None:
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        seen = Seen()
        line = Socketcand("127.0.0.1", site.server.port, "can0", 125_000)
        models = [replace(one, profile=at_bitrate(one.profile, 1)) for one in MODELS]
        sought = Sought(models, lambda: members(site, UU), (), QUICK)
        scan = await scan_running_bus(site.bus, line, sought, seen.watch)
        assert scan.modules == ()
        assert len(seen.told) == 1, "only the listening"


@pytest.mark.parametrize("extended", [True, False])
async def test_r39_nothing_is_sent_where_somebody_else_talks(extended: bool) -> None:
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        one = stranger(site, SimInfyPower, 5)

        async def chatter() -> None:
            while True:
                site.wire.put(WireFrame(0x123, b"\x01", extended=extended), None)
                await asyncio.sleep(0.03)

        talking = asyncio.create_task(chatter())
        try:
            scan = await search(site, members(site, UU))
        finally:
            talking.cancel()
        assert one.heard == 0
        assert ("identifiers such as 123" if extended else "short ones") in scan.notes[-1]


async def test_r39_who_answers_another_controller_is_shown_and_not_asked() -> None:
    async with rig(INFY, count=1) as site:
        await until(lambda: bool(site.views()))
        other = stranger(site, SimUuGreen, 7)

        async def control() -> None:
            while True:  # reads the voltage of module 7
                site.wire.put(WireFrame(0x02200000 | 7 << 14, bytes((0x12, 98, 0, 0, 0, 0, 0, 0))), None)
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(control())
        try:
            scan = await search(site, members(site, INFY))
        finally:
            talking.cancel()
        assert names(scan.modules) == {UU: (7,)}
        assert "Nothing was sent" in scan.notes[-1]
        assert other.heard > 0


async def test_nothing_is_sent_on_a_bus_with_errors() -> None:
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        one = stranger(site, SimInfyPower, 5)
        asyncio.get_running_loop().call_later(0.1, site.wire.fail, BUS_ERROR)
        scan = await search(site, members(site, UU))
        assert one.heard == 0
        assert "the bus has errors" in scan.notes[-1]


async def test_r39_a_search_that_provokes_errors_ends_itself() -> None:
    """As two modules at one address do, whose answers destroy each other."""
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        asked = [stranger(site, SimInfyPower, address) for address in range(20)]
        site.wire.join(
            Party(
                lambda frame: site.wire.fail(BUS_ERROR) if frame.can_id >> 22 & 0xF == 0xA else None, lambda _: None
            )
        )
        scan = await search(site, members(site, UU))
        assert (
            "errors after questions to address 0 (infypower)" in scan.notes[-1] or "errors after" in scan.notes[-1]
        )
        assert sum(one.heard for one in asked) <= 3


async def test_a_module_that_a_reload_adds_meanwhile_is_not_asked_any_more() -> None:
    async with rig(INFY, count=1) as site:
        await until(lambda: bool(site.views()))
        known = members(site, INFY)
        late = stranger(site, SimUuGreen, 90)

        def reload(text: str, done: int, of: int) -> None:
            if text.startswith("address 80"):
                known.add((DRIVERS[UU], 90))

        sought = Sought(MODELS, lambda: known, (80, 90), QUICK)
        line = Socketcand("127.0.0.1", site.server.port, "can0", 125_000)
        scan = await scan_running_bus(site.bus, line, sought, Watch(reload, lambda modules: None))
        assert late.heard == 0
        assert scan.modules == ()


async def test_two_strangers_at_one_address_are_told() -> None:
    async with rig(INFY, count=1) as site:
        await until(lambda: bool(site.views()))
        stranger(site, SimUuGreen, 7)
        twin = stranger(site, SimUuGreen, 7)
        assert isinstance(twin, SimUuGreen)
        twin.serial = 0x0F1
        (one,) = (await search(site, members(site, INFY), 7)).modules
        assert (one.addresses, one.notes) == ((7,), ("two modules have address 7",))


async def test_a_bus_that_is_lost_meanwhile_ends_the_search() -> None:
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        searching = asyncio.create_task(search(site, members(site, UU)))
        await asyncio.sleep(0.5)
        await site.server.stop()
        with pytest.raises(DeviceError) as lost:
            await searching
        assert lost.value.fault is Fault.CLOSED
        with pytest.raises(DeviceError, match="not open"):
            await search(site, members(site, UU))


async def test_a_search_leaves_nothing_behind() -> None:
    async with rig(UU, count=1) as site:
        await until(lambda: bool(site.views()))
        before = len(site.bus._subscribers)
        searching = asyncio.create_task(search(site, members(site, UU)))
        await asyncio.sleep(0.2)
        assert len(site.bus._subscribers) == before + 1
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
        assert len(site.bus._subscribers) == before
