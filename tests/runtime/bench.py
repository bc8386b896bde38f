"""A site in the loop of the test: real store, clock, plant, cycle and owners; only the chargers are doubles."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.image import Layout
from controller.billing.encode import from_row
from controller.charging.charging_rules import RuleBook
from controller.charging.commands import Command, Outcome, Result
from controller.charging.records import Entry, Route
from controller.charging.rows import Row
from controller.charging.rules import Rules
from controller.charging.session import EvseState
from controller.charging.tokens import BilledBy, SiteAccount
from controller.clock import Clock
from controller.runtime.authoriser import Authoriser
from controller.runtime.cycle import Cycle
from controller.runtime.demand import Demands
from controller.runtime.limit_desk import STATE_KEY as LIMITS_KEY
from controller.runtime.limit_desk import LimitDesk
from controller.runtime.owner import EvseOwner, OwnerParts
from controller.runtime.panorama import Nameplate, Panorama, Sights
from controller.runtime.plant import Plant, PlantParts
from controller.runtime.registers import BillingRegister
from controller.runtime.site import Site, SiteEvse
from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice, PlantSlice, ReaderSlice, SensorSlice
from controller.runtime.taps import STATE_KEY, ReaderFacts, TapDesk
from controller.runtime.wires import Component
from controller.store.store import Store
from drivers.api import EvState, Phases, Sink
from drivers.profile import DeviceProfile, builtin_folder, load
from drivers.setups import Endpoint, EvseSetup, MeterSetup, ReaderSetup
from tests.runtime.push_evse import PushBus, PushCluster, PushEvse, PushInput, PushMeter, PushReader

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan

ROUTE = Route("operator", "CP-7")
ALICE = "04A1B2C3D4E5F6"
BOB = "04B0B0B0B0B0B0"
ACCOUNTS = {uid: SiteAccount(uid, "somebody", None, BilledBy.FREE) for uid in (ALICE, BOB)}


@cache
def profile(path: str) -> DeviceProfile:
    return load(builtin_folder() / path)


def evse_slice(name: str, bus: str = "bus-1", **changes: Any) -> EvseSlice:
    setup = EvseSetup(name, 1, 1, 6000, 15.0, 6000, 32_000, 0)
    point = SupplyPoint(name, "main", Rotation.L1L2L3, 3, 6000, 32_000, 1000, 0.2)
    charger = profile("chargers/keba-p30.toml")
    made = EvseSlice(setup, point, charger, bus, None, BilledBy.CSMS, ROUTE)
    return replace(made, **changes)  # a test says what differs


def meter_slice(name: str, bus: str = "bus-1", unit: int = 1) -> MeterSlice:
    setup = MeterSetup(name, unit, 1.0, reversed=False, period_s=1.0)
    return MeterSlice(setup, profile("meters/eastron-sdm630-v2.toml"), bus)


def reader_slice(name: str, *evses: str, oldest_first: bool = False) -> ReaderSlice:
    return ReaderSlice(ReaderSetup(name, "/dev/null", None), profile("readers/rdm6300.toml"), evses, oldest_first)


def bus_slice(name: str = "bus-1", port: int = 502) -> BusSlice:
    return BusSlice(name, Endpoint("127.0.0.1", port))


def plant_slice(
    *evses: EvseSlice,
    buses: tuple[BusSlice, ...] = (),
    meters: tuple[MeterSlice, ...] = (),
    readers: tuple[ReaderSlice, ...] = (),
    rating_a: int = 100,
) -> PlantSlice:
    most = Phases(rating_a * 1000, rating_a * 1000, rating_a * 1000)
    main = Circuit("main", None, most, 950, Phases(0, 0, 0))
    points = tuple(evse.point for evse in evses)
    layout = Layout((main,), points, 230_000, {meter.id: 1.0 for meter in meters})
    return PlantSlice(layout, buses or (bus_slice(),), evses, meters, readers)


async def until(what: Callable[[], object], *, within_s: float = 8.0) -> None:
    end_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end_s, "it did not come true in time"
        await asyncio.sleep(0.01)


async def nobody(command: Command) -> Outcome:
    return Outcome(Result.UNKNOWN, f"{type(command).__name__} is nobody's")


@dataclass
class Bench:
    """`run` builds a site from what is in the folder; leaving it is the end of that process."""

    store: Store
    rules: Rules = field(default_factory=lambda: Rules(sample_interval_s=0))
    clock: Clock = field(default_factory=Clock)
    buses: dict[str, PushBus] = field(default_factory=dict)
    clusters: dict[str, PushCluster] = field(default_factory=dict)
    readers: dict[str, PushReader] = field(default_factory=dict)
    inputs: dict[str, PushInput] = field(default_factory=dict)
    shown: list[tuple[EvseState, EvseState]] = field(default_factory=list)
    """All that owners published."""
    book: RuleBook = field(default_factory=RuleBook)
    active: set[str] = field(default_factory=set)
    """Digital inputs."""

    @asynccontextmanager
    async def run(self, plan: PlantSlice, *, period_s: float = 0.1) -> AsyncIterator["Bench"]:
        stored = await self.store.states()
        up = asyncio.Event()

        async def live() -> None:
            async with asyncio.TaskGroup() as tasks:
                self._build(stored, tasks, period_s)
                self.apply(plan)
                tasks.create_task(self.cycle.run())
                tasks.create_task(self.site.run())
                tasks.create_task(self.limit_desk.run())
                up.set()

        life = asyncio.create_task(live())
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if life.done():
                life.result()
            yield self
            if life.done():
                life.result()
        finally:
            life.cancel()
            await asyncio.wait({life})

    def _build(self, stored: Mapping[str, Row], tasks: asyncio.TaskGroup, period_s: float) -> None:
        authoriser = Authoriser(
            store=self.store,
            clock=self.clock,
            rules=lambda: self.rules,
            accounts=ACCOUNTS,
            upstream=lambda evse: None,
        )
        self.desk = TapDesk(
            store=self.store, clock=self.clock, rules=lambda: self.rules, with_group=authoriser.with_group
        )
        self.desk.load(stored.get(STATE_KEY))
        self.limit_desk = LimitDesk(store=self.store, clock=self.clock, prompt=lambda: self.cycle.prompt())
        self.limit_desk.load(stored.get(LIMITS_KEY))
        self.site = Site(
            desk=self.desk,
            token=authoriser.token,
            rules=lambda: self.rules,
            hindrance=lambda mode: self.demands.book.hindrance(mode),
            administer=nobody,
        )

        def parts(evse: EvseSlice, register: BillingRegister) -> OwnerParts:
            return OwnerParts(
                store=self.store,
                clock=self.clock,
                rules=lambda: replace(self.rules, billed_by=evse.billed_by),
                authorise=authoriser.authorise,
                register=register,
                changed=self._changed,
                route=evse.route,
            )

        self.plant = Plant(
            PlantParts(
                clock=self.clock,
                build_bus=self._build_bus,
                build_can=self._build_can,
                build_cluster=self._build_cluster,
                build_reader=self._build_reader,
                build_input=self._build_input,
                owner=parts,
                stored=stored,
                tapped=self.site.tapped,
                sensed=self.limit_desk.sensed,
                heard=lambda: self.cycle.heard(),
                prompt=lambda: self.cycle.prompt(),
            ),
            tasks,
        )
        self.limits = self.limit_desk.book
        self.demands = Demands(clock=self.clock, active=lambda name: name in self.active)
        self.demands.book = self.book
        self.cycle = Cycle(
            limits=self.limits,
            demands=self.demands,
            clock=self.clock,
            period_s=period_s,
            on_plan=self._planned,
        )
        self.panorama = Panorama(
            Nameplate("car-park-7", "Car park 7", "1.2.3"),
            Sights(
                plant=self.plant,
                cycle=self.cycle,
                demands=self.demands,
                limits=self.limit_desk,
                clock=self.clock,
                csms=lambda: (),
                supervised=lambda: tuple(self.plant.supervised.values()),
                choices=self.desk.choices,
                alarms=lambda: ("the roof leaks",),
                tap_message=self.desk.message_for,
            ),
        )

    def _build_bus(self, bus: BusSlice, sink: Sink) -> PushBus:
        self.buses[bus.id] = PushBus(sink)
        return self.buses[bus.id]

    def _build_can(self, bus: BusSlice, sink: Sink) -> PushBus:
        return self._build_bus(bus, sink)

    def _build_cluster(self, plan: "ClusterPlan", buses: Mapping[str, Component], sink: Sink) -> PushCluster:
        self.clusters[plan.id] = PushCluster(plan, frozenset(buses), sink)
        return self.clusters[plan.id]

    def _build_reader(self, reader: ReaderSlice, sink: Sink) -> PushReader:
        self.readers[reader.id] = PushReader(reader.id, sink)
        return self.readers[reader.id]

    def _build_input(self, sensor: SensorSlice, sink: Sink) -> PushInput:
        self.inputs[sensor.id] = PushInput(sensor.id, sink)
        return self.inputs[sensor.id]

    def _changed(self, before: EvseState, after: EvseState) -> None:
        self.shown.append((before, after))
        if before is not after:
            self.site.changed(before, after)
        self.cycle.prompt()
        self.panorama.changed()

    def _planned(self) -> None:
        self.panorama.changed()

    def apply(self, plan: PlantSlice) -> None:
        self.plant.change_to(plan)
        self.cycle.controlled = self.plant.controlled
        self.site.evses = {
            name: SiteEvse(unit.controlled.owner, unit.register, unit.controlled.device, unit.plan.point)
            for name, unit in self.plant.evses.items()
        }
        self.desk.owners = {name: evse.owner for name, evse in self.site.evses.items()}
        facts = {
            name: ReaderFacts((name,), oldest_first=False, device=None)
            for name, unit in self.plant.evses.items()
            if unit.controlled.device.capabilities.reader
        }
        for name, (reader, device) in self.plant.readers.items():
            facts[name] = ReaderFacts(reader.evses, reader.oldest_first, device)
        self.desk.readers = facts

    def evse(self, name: str = "A1") -> PushEvse:
        homes = (*(bus.evses for bus in self.buses.values()), *(one.outlets for one in self.clusters.values()))
        return next(home[name] for home in homes if name in home)

    def meter(self, name: str) -> PushMeter:
        return next(bus.meters[name] for bus in self.buses.values() if name in bus.meters)

    def owner(self, name: str = "A1") -> EvseOwner:
        return self.site.evses[name].owner

    def phase(self, name: str = "A1") -> str:
        return type(self.owner(name).state.phase).__name__

    async def becomes(self, phase: str, name: str = "A1", *, within_s: float = 8.0) -> None:
        await until(lambda: self.phase(name) == phase, within_s=within_s)

    async def charge(self, name: str = "A1", uid: str = ALICE) -> None:
        """Plug in, tap at the charger's own reader, and draw what is offered."""
        evse = self.evse(name)
        evse.say(EvState.B)
        await until(lambda: self.owner(name).state.plug is not None)
        evse.tap(uid)
        await self.becomes("Starting", name)
        await self.keep_saying(EvState.B, "Running", name)

    async def keep_saying(self, state: EvState, phase: str, name: str = "A1", *, drawn_ma: int = 0) -> None:
        """Push readings until the session is in that phase."""
        end_s = time.monotonic() + 8.0
        while self.phase(name) != phase:
            assert time.monotonic() < end_s, f"{name} is still {self.phase(name)}"
            self.evse(name).say(state, drawn_ma=drawn_ma)
            await asyncio.sleep(0.02)

    async def entries(self) -> list[Entry]:
        return [from_row(json.loads(record.body)) for record in await self.store.ledger()]
