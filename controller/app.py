"""Composition root: with `equipment` the only module that names concrete drivers, OCPP versions and stores.

`run(path)` starts the parts of a site and keeps them until it is told to stop. Each part is built from its slice
of the configuration; `Reload` reads the file again and rebuilds what differs, while the rest goes on (R36).
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from controller import equipment
from controller.allocation.compiled import is_compiled
from controller.appliance.starts import CRASHES, RETRY_S, WINDOW_S, Starts
from controller.appliance.systemd import Notifier
from controller.charging.commands import (
    CancelScan,
    ClearChargingProfiles,
    Command,
    FindChargingProfiles,
    ForgetModule,
    Outcome,
    ReadRegisters,
    ReadSchedule,
    ReleaseStop,
    Reload,
    ResendParked,
    Result,
    SetChargingProfile,
    SetLimit,
    SetVariable,
    StartScan,
    WithdrawLimit,
    WriteRegister,
)
from controller.charging.records import Route
from controller.charging.rows import Row, RowError
from controller.charging.session import EvseState, Idle
from controller.charging.view import SiteView
from controller.clock import Clock
from controller.config.found import scanning_parts
from controller.config.problems import ConfigError
from controller.config.proof import load
from controller.config.slices import SiteConfig
from controller.csms.variables import Variables
from controller.mqtt.slice import MqttSlice
from controller.runtime.authoriser import Authoriser
from controller.runtime.cycle import Cycle
from controller.runtime.demand import Demands
from controller.runtime.edge_slot import EdgeSlot, RunningEdge
from controller.runtime.limit_desk import STATE_KEY as LIMITS_KEY
from controller.runtime.limit_desk import LimitDesk
from controller.runtime.modules import forget
from controller.runtime.owner import OwnerParts
from controller.runtime.panorama import Nameplate, Panorama, Sights
from controller.runtime.plant import Plant, PlantParts, orphans, stored_state
from controller.runtime.registers import BillingRegister
from controller.runtime.scanning import Scanning
from controller.runtime.site import Site, SiteEvse
from controller.runtime.slices import EvseSlice
from controller.runtime.smart_charging import SmartCharging, SmartChargingParts
from controller.runtime.supervise import Supervised
from controller.runtime.taps import STATE_KEY, ReaderFacts, TapDesk
from controller.runtime.upstream import Upstream, UpstreamParts
from controller.store.errors import StoreError
from controller.store.store import Store

_log = logging.getLogger(__name__)

KEEP_TIME_S = 60.0
"""How often the last known time is stored, as the floor for a start without a clock (R26)."""
HEALTHY_S = 5.0
"""The watchdog is fed while the last control cycle is younger than this."""


def product_version() -> str:
    try:
        return version("ampyard")
    except PackageNotFoundError:
        return "0+source"


async def run(path: Path) -> None:
    """Run the site until SIGTERM or SIGINT. Chargers keep their setpoints and fall back by their watchdogs.

    Raises:
        ConfigError: the configuration cannot be used.
        OSError: the state folder cannot be made.
        StoreError: the store cannot be opened, or another process works in the state folder.
        RowError: the stored state of an EVSE cannot be read.
    """
    config = load(path)
    config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    store = Store(config.state_dir)
    await store.open()
    try:
        await _until_told_to_stop(path, config, store)
    finally:
        await store.close()


async def _until_told_to_stop(path: Path, config: SiteConfig, store: Store) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = Clock(floor=await store.last_known_time(), syncs=await store.syncs())
    app = App(path, config, store=store, clock=clock)
    start = await app.prepare()
    starts = Starts(config.state_dir)
    safe_mode = starts.begin(clock.now())
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(app.run(start, safe_mode=safe_mode))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()
    if stop.is_set():
        starts.ended()


@dataclass(frozen=True, slots=True)
class Start:
    """What was read from the store before anything runs."""

    stored: Mapping[str, Row]
    variables: Variables | None
    profiles: Mapping[Route, Sequence[str]]


class App:
    """All parts of one site, wired together. Nothing is decided here."""

    def __init__(self, path: Path, config: SiteConfig, *, store: Store, clock: Clock) -> None:
        self._path = path
        self._config = config
        self._store = store
        self._clock = clock
        self._notifier = Notifier(os.environ)
        self._limits = LimitDesk(store=store, clock=clock, prompt=lambda: self._cycle.prompt())
        self._upstream = Upstream(UpstreamParts(store, clock, self.ask, self.look))
        self._mqtt = EdgeSlot("MQTT", self._build_mqtt, clock)
        self._reloading = asyncio.Lock()
        self._pages = Supervised("local page", self._serve_pages, clock)
        self._page_changed: Callable[[], None] | None = None
        self._safe_mode: str | None = None
        self._orphans: tuple[str, ...] = ()

    async def prepare(self) -> Start:
        """Read whatever can keep the site from starting.

        Raises:
            RowError: the stored state of an EVSE cannot be read.
            StoreError: the store cannot be read.
        """
        stored = await self._store.states()
        self._orphans = orphans(stored, {evse.id for evse in self._config.plant.evses})
        for evse in self._config.plant.evses:
            stored_state(stored, evse.id)
        variables = await self._upstream.variables_for(self._config.csms)
        return Start(stored, variables, await self._store.charging_profiles())

    async def run(self, start: Start, *, safe_mode: bool = False) -> None:
        """Until cancelled. The cycle comes after the devices: its first look waits for those that it knows."""
        if safe_mode:
            self._enter_safe_mode()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._build(start.stored)
                self._profiles.load(start.profiles)
                self._apply(self._config, start.variables)
                tasks.create_task(self._smart_charging.run(), name="charging profiles")
                tasks.create_task(self._cycle.run(), name="cycle")
                tasks.create_task(self._site.run(), name="site")
                tasks.create_task(self._limits.run(), name="limits")
                tasks.create_task(self._keep_time(), name="clock")
                tasks.create_task(self._pages.run(), name="page")
                tasks.create_task(self._scans.run(), name="scans")
                if safe_mode:
                    tasks.create_task(self._leave_safe_mode(), name="safe mode")
                _log.info("%s: ready, allocation %s", self._config.id, "compiled" if is_compiled() else "in Python")
                gc.freeze()  # what was built lives as long as we do: no collection needs to look at it again
                self._notifier.send("READY=1")
                tasks.create_task(self._notifier.feed_watchdog(self._healthy), name="watchdog")
        finally:
            self._notifier.send("STOPPING=1")

    def _build(self, stored: Mapping[str, Row]) -> None:
        """Make the parts that live as long as the process; `_apply` fills them."""
        self._authoriser = Authoriser(
            store=self._store,
            clock=self._clock,
            rules=self._upstream.rules,
            accounts={},
            upstream=self._upstream.asks_for,
        )
        self._desk = TapDesk(
            store=self._store,
            clock=self._clock,
            rules=self._upstream.rules,
            with_group=self._authoriser.with_group,
        )
        self._desk.load(stored.get(STATE_KEY))
        self._limits.load(stored.get(LIMITS_KEY))
        self._site = Site(
            desk=self._desk,
            token=self._authoriser.token,
            rules=self._upstream.rules,
            hindrance=lambda mode: self._demands.book.hindrance(mode),
            administer=self._administer,
        )
        self._plant = Plant(
            PlantParts(
                clock=self._clock,
                build_bus=equipment.modbus,
                build_can=equipment.can,
                build_cluster=equipment.cluster,
                build_reader=equipment.reader,
                build_input=equipment.digital_input,
                owner=self._owner_parts,
                stored=stored,
                tapped=self._site.tapped,
                sensed=self._limits.sensed,
                heard=lambda: self._cycle.heard(),
                prompt=lambda: self._cycle.prompt(),
            ),
            self._tasks,
        )
        self._demands = Demands(clock=self._clock, active=self._limits.inputs.active)
        self._cycle = Cycle(
            limits=self._limits.book,
            demands=self._demands,
            clock=self._clock,
            period_s=self._config.cycle_s,
            on_plan=self._changed,
        )
        self._profiles = SmartCharging(
            SmartChargingParts(
                store=self._store,
                clock=self._clock,
                limits=self._limits.book,
                prompt=self._cycle.prompt,
                layout=lambda: self._plant.controlled.layout,
                states=lambda: {name: evse.owner.state for name, evse in self._site.evses.items()},
            )
        )
        self._smart_charging = Supervised("charging profiles", self._profiles.run, self._clock)
        self._site.starts = self._profiles
        self._scanning = Scanning(
            scanning_parts(self._path, lambda: self._config, running=self._plant.running, changed=self._changed)
        )
        self._scans = Supervised("scan of a bus", self._scanning.run, self._clock)
        plate = Nameplate(self._config.id, self._config.name, product_version())
        self._panorama = Panorama(plate, self._sights())

    def _sights(self) -> Sights:
        return Sights(
            plant=self._plant,
            cycle=self._cycle,
            demands=self._demands,
            limits=self._limits,
            clock=self._clock,
            csms=self._upstream.views,
            supervised=self._supervised,
            choices=self._desk.choices,
            alarms=self._alarms,
            tap_message=self._desk.message_for,
            scan=self._scanning.view,
        )

    def _owner_parts(self, evse: EvseSlice, register: BillingRegister) -> OwnerParts:
        return OwnerParts(
            store=self._store,
            clock=self._clock,
            rules=lambda: self._upstream.rules(evse),
            authorise=self._authoriser.authorise,
            register=register,
            changed=self._owner_changed,
            route=evse.route,
        )

    def _apply(self, config: SiteConfig, variables: Variables | None) -> None:
        """Bring every part to this configuration; what is the same goes on untouched.

        Nothing waits here, so no part runs before all are in place: an owner asks its CSMS as soon as it starts.

        Raises:
            RowError: the stored state of a new EVSE cannot be read; nothing has been changed.
        """
        self._plant.change_to(config.plant)
        self._upstream.change_to(config.csms, variables, self._tasks)
        self._authoriser.accounts = {account.uid: account for account in config.accounts}
        self._demands.book = config.rules
        self._cycle.controlled = self._plant.controlled
        self._limits.change_to(config.limits)
        self._mqtt.change_to(config.mqtt, self._tasks)
        self._site.evses = {
            name: SiteEvse(unit.controlled.owner, unit.register, unit.controlled.device, unit.plan.point)
            for name, unit in self._plant.evses.items()
        }
        self._desk.owners = {name: evse.owner for name, evse in self._site.evses.items()}
        self._desk.readers = self._reader_facts()
        self._profiles.change_to(config.csms)
        self._config = config
        self._changed()

    def _reader_facts(self) -> dict[str, ReaderFacts]:
        """The readers of the site, and those that chargers have themselves: these go by the EVSE's id."""
        facts = {
            name: ReaderFacts((name,), oldest_first=False, device=None)
            for name, unit in self._plant.evses.items()
            if unit.controlled.device.capabilities.reader
        }
        for name, (reader, device) in self._plant.readers.items():
            facts[name] = ReaderFacts(reader.evses, reader.oldest_first, device)
        return facts

    def _owner_changed(self, before: EvseState, after: EvseState) -> None:
        if before is not after:
            self._site.changed(before, after)
            self._profiles.sessions_changed()
        self._cycle.prompt()
        self._changed()

    def _changed(self) -> None:
        self._panorama.changed()
        self._upstream.site_changed()
        self._mqtt.changed()
        if self._page_changed is not None:
            self._page_changed()

    def look(self) -> SiteView:
        return self._panorama.look()

    async def ask(self, command: Command) -> Outcome:
        return await self._site.ask(command)

    async def _administer(self, command: Command) -> Outcome:
        match command:
            case Reload():
                return await self._reload()
            case SetVariable(name, value):
                return await self._upstream.set_variable(name, value)
            case ResendParked():
                return await self._upstream.resend_parked()
            case SetChargingProfile() | ClearChargingProfiles() | FindChargingProfiles() | ReadSchedule():
                return await self._profiles.ask(command)
            case SetLimit() | WithdrawLimit() | ReleaseStop():
                outcome = await self._limits.ask(command)
                self._changed()
                return outcome
            case ForgetModule():
                outcome = forget(self._plant.wires, command)
                self._changed()
                return outcome
            case StartScan() | CancelScan() | ReadRegisters() | WriteRegister():
                return await self._scanning.ask(command)
            case _:
                return Outcome(Result.UNKNOWN, "no such command")

    async def _reload(self) -> Outcome:
        """Read the file again. Refused as a whole if it is wrong or would cut off a running transaction."""
        async with self._reloading:
            try:
                config = await asyncio.to_thread(load, self._path)
            except ConfigError as error:
                return Outcome(Result.REFUSED, str(error))
            variables = await self._upstream.variables_for(config.csms)
            if why_not := self._hindrance(config):
                return Outcome(Result.REFUSED, why_not)
            _log.info("reloading %s", self._path)
            try:
                self._apply(config, variables)
            except RowError as error:
                return Outcome(Result.REFUSED, str(error))
            return Outcome(Result.DONE, "the site runs with the new configuration")

    def _hindrance(self, config: SiteConfig) -> str | None:
        old = self._config
        if (config.id, config.state_dir, config.web, config.cycle_s) != (
            old.id,
            old.state_dir,
            old.web,
            old.cycle_s,
        ):
            return "site.id, site.state_dir, site.cycle_s and [web] change only with a restart"
        routes = {evse.id: evse.route for evse in config.plant.evses}
        for name, unit in self._plant.evses.items():
            idle = isinstance(unit.controlled.owner.state.phase, Idle)
            if not idle and name not in routes:
                return f"EVSE {name} is in use: end its session before removing the EVSE"
            if not idle and routes[name] != unit.plan.route:
                return f"EVSE {name} is in use: end its session before it moves to another CSMS or station"
        return None

    async def _serve_pages(self) -> None:
        """The page comes after control runs: importing it takes longer than the first cycle."""
        web, metrics = await asyncio.to_thread(_import_pages)
        server = web.WebServer(
            self._config.web,
            ask=self.ask,
            look=self.look,
            metrics=metrics.Metrics(self.look).render,
            figures=self._plant.figures,
        )
        self._page_changed = server.changed
        await server.run()

    async def _build_mqtt(self, mqtt: MqttSlice) -> RunningEdge:
        edge = await asyncio.to_thread(import_module, "controller.mqtt.edge")
        built: RunningEdge = edge.MqttEdge(mqtt, ask=self.ask, look=self.look)
        return built

    def _supervised(self) -> tuple[Supervised, ...]:
        edges = (*self._upstream.supervised, *self._mqtt.supervised, self._pages, self._scans)
        return (*self._plant.supervised.values(), *edges)

    def _alarms(self) -> tuple[str, ...]:
        alarms = [self._safe_mode] if self._safe_mode else []
        alarms += [
            f"EVSE {name} was taken out of site.toml with a transaction open: put it back" for name in self._orphans
        ]
        alarms += self._profiles.alarms()
        if self._store.failing:
            alarms.append(f"the store fails: {self._store.last_error or 'the medium does not answer'}")
        return (*alarms, *self._mqtt.alarms)

    def _enter_safe_mode(self) -> None:
        """Control, local authorisation and the page go on; whatever a CSMS may send cannot end them (R38)."""
        self._upstream.held = self._mqtt.held = True
        since = self._clock.now().wall
        self._safe_mode = (
            f"safe mode since {since:%Y-%m-%d %H:%M} UTC: the controller crashed {CRASHES} times in "
            f"{WINDOW_S / 60:g} minutes; the CSMS link is off, records are kept for it; see the journal; "
            "a restart of the service by hand tries again, "
            f"and so does the controller after {RETRY_S / 60:g} minutes"
        )
        _log.error("%s", self._safe_mode)

    async def _leave_safe_mode(self) -> None:
        await asyncio.sleep(RETRY_S)
        _log.warning("safe mode ends: the CSMS link is tried again")
        self._safe_mode = None
        self._upstream.release(self._tasks)
        self._mqtt.release(self._tasks)
        self._changed()

    def _healthy(self) -> bool:
        last_s = self._cycle.last_s
        return last_s is None or self._clock.mono() - last_s < HEALTHY_S

    async def _keep_time(self) -> None:
        while True:
            now = self._clock.now()
            try:
                if now.trusted:
                    await self._store.keep_time(now.wall)
            except StoreError as error:
                _log.warning("the time cannot be kept: %s", error)
            await asyncio.sleep(KEEP_TIME_S)


def _import_pages() -> tuple[ModuleType, ModuleType]:
    return import_module("controller.web.server"), import_module("controller.metrics.registry")
