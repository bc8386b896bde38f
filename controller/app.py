"""Composition root: how the parts of a site are put together; `equipment` says what its devices are made of.

Each part is built from its slice of the configuration. A reload brings all of them to the new one by `change_to`:
what differs is built anew, while the rest goes on (R36).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from controller import equipment
from controller.administration import Administration
from controller.charging.commands import Command, Outcome
from controller.charging.records import Route
from controller.charging.rows import Row
from controller.charging.session import EvseState
from controller.charging.view import SiteView
from controller.clock import Clock
from controller.config.found import scanning_parts
from controller.config.slices import SiteConfig
from controller.csms.variables import Variables
from controller.edges import Edges
from controller.runtime.authoriser import Authoriser
from controller.runtime.cycle import Cycle
from controller.runtime.demand import Demands
from controller.runtime.limit_desk import STATE_KEY as LIMITS_KEY
from controller.runtime.limit_desk import LimitDesk
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
from controller.runtime.upstream import UpstreamParts
from controller.store.store import Store

HEALTHY_S = 5.0
"""The site is well while its last control cycle is younger than this."""


def product_version() -> str:
    try:
        return version("ampyard")
    except PackageNotFoundError:
        return "0+source"


@dataclass(frozen=True, slots=True)
class Start:
    """What was read from the store before anything runs."""

    states: Mapping[str, Row]
    variables: Variables | None
    profiles: Mapping[Route, Sequence[str]]


async def prepare(store: Store, config: SiteConfig) -> Start:
    """Read whatever can keep the site from starting.

    Raises:
        RowError: the stored state of an EVSE cannot be read.
        StoreError: the store cannot be read.
    """
    states = await store.states()
    for evse in config.plant.evses:
        stored_state(states, evse.id)
    variables = await Variables.load(store, config.csms) if config.csms else None
    return Start(states, variables, await store.charging_profiles())


class App:
    """All parts of one site, wired together; they live as long as the process. Nothing is decided here."""

    def __init__(self, path: Path, config: SiteConfig, start: Start, *, store: Store, clock: Clock) -> None:
        self.config = config
        self.store = store
        self.clock = clock
        self.tasks = asyncio.TaskGroup()
        self._variables = start.variables
        self._orphans = orphans(start.states, {evse.id for evse in config.plant.evses})
        self._edges = Edges(
            config.web, UpstreamParts(store, clock, self.ask, self.look), lambda: self._plant.figures()
        )
        upstream = self._edges.upstream
        self._authoriser = Authoriser(
            store=store, clock=clock, rules=upstream.rules, accounts={}, upstream=upstream.asks_for
        )
        self._desk = TapDesk(store=store, clock=clock, rules=upstream.rules, with_group=self._authoriser.with_group)
        self._desk.load(start.states.get(STATE_KEY))
        self._limits = LimitDesk(store=store, clock=clock, prompt=lambda: self._cycle.prompt())
        self._limits.load(start.states.get(LIMITS_KEY))
        self._demands = Demands(clock=clock, active=self._limits.inputs.active)
        self._cycle = Cycle(
            limits=self._limits.book,
            demands=self._demands,
            clock=clock,
            period_s=config.cycle_s,
            on_plan=self._changed,
        )
        self._site = Site(
            desk=self._desk,
            token=self._authoriser.token,
            rules=upstream.rules,
            hindrance=lambda mode: self._demands.book.hindrance(mode),
            administer=lambda command: self._administration.ask(command),
        )
        self._plant = Plant(
            PlantParts(
                clock=clock,
                build_bus=equipment.modbus,
                build_can=equipment.can,
                build_cluster=equipment.cluster,
                build_reader=equipment.reader,
                build_input=equipment.digital_input,
                owner=self._owner_parts,
                stored=start.states,
                tapped=self._site.tapped,
                sensed=self._limits.sensed,
                heard=self._cycle.heard,
                prompt=self._cycle.prompt,
            ),
            self.tasks,
        )
        self._profiles = SmartCharging(
            SmartChargingParts(
                store=store,
                clock=clock,
                limits=self._limits.book,
                prompt=self._cycle.prompt,
                layout=lambda: self._plant.controlled.layout,
                states=lambda: {name: evse.owner.state for name, evse in self._site.evses.items()},
            )
        )
        self._profiles.load(start.profiles)
        self._site.starts = self._profiles
        self._scanning = Scanning(
            scanning_parts(path, lambda: self.config, running=self._plant.running, changed=self._changed)
        )
        self._supervised = (
            Supervised("charging profiles", self._profiles.run, clock),
            Supervised("scan of a bus", self._scanning.run, clock),
        )
        self._administration = Administration(
            path,
            config=lambda: self.config,
            change_to=self._change_to,
            changed=self._changed,
            upstream=upstream,
            limits=self._limits,
            plant=self._plant,
            profiles=self._profiles,
            scanning=self._scanning,
        )
        self._panorama = Panorama(
            Nameplate(config.id, config.name, product_version()),
            Sights(
                plant=self._plant,
                cycle=self._cycle,
                demands=self._demands,
                limits=self._limits,
                clock=clock,
                csms=upstream.views,
                supervised=self._all_supervised,
                choices=self._desk.choices,
                alarms=self._alarms,
                tap_message=self._desk.message_for,
                scan=self._scanning.view,
            ),
        )

    def start(self, *, safe_mode: bool = False) -> None:
        """Within `tasks`. The cycle comes after the devices: its first look waits for those that it knows.

        Raises:
            RowError: the stored state of an EVSE cannot be read.
        """
        if safe_mode:
            self._edges.enter_safe_mode()
        self._change_to(self.config, self._variables)
        for supervised in self._supervised:
            self.tasks.create_task(supervised.run(), name=supervised.name)
        self.tasks.create_task(self._cycle.run(), name="cycle")
        self.tasks.create_task(self._site.run(), name="site")
        self.tasks.create_task(self._limits.run(), name="limits")
        self.tasks.create_task(self._edges.page.run(), name="page")
        if safe_mode:
            self.tasks.create_task(self._leave_safe_mode(), name="safe mode")

    def healthy(self) -> bool:
        last_s = self._cycle.last_s
        return last_s is None or self.clock.mono() - last_s < HEALTHY_S

    def look(self) -> SiteView:
        return self._panorama.look()

    async def ask(self, command: Command) -> Outcome:
        return await self._site.ask(command)

    def _change_to(self, config: SiteConfig, variables: Variables | None) -> None:
        """Bring every part to this configuration; what is the same goes on untouched.

        Nothing waits here, so no part runs before all are in place: an owner asks its CSMS as soon as it starts.

        Raises:
            RowError: the stored state of a new EVSE cannot be read; nothing has been changed.
        """
        self._plant.change_to(config.plant)
        self._edges.change_to(config, variables, self.tasks)
        self._authoriser.accounts = {account.uid: account for account in config.accounts}
        self._demands.book = config.rules
        self._cycle.controlled = self._plant.controlled
        self._limits.change_to(config.limits)
        self._site.evses = {
            name: SiteEvse(unit.controlled.owner, unit.register, unit.controlled.device, unit.plan.point)
            for name, unit in self._plant.evses.items()
        }
        self._desk.owners = {name: evse.owner for name, evse in self._site.evses.items()}
        self._desk.readers = self._reader_facts()
        self._profiles.change_to(config.csms)
        self.config = config
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

    def _owner_parts(self, evse: EvseSlice, register: BillingRegister) -> OwnerParts:
        return OwnerParts(
            store=self.store,
            clock=self.clock,
            rules=lambda: self._edges.upstream.rules(evse),
            authorise=self._authoriser.authorise,
            register=register,
            changed=self._owner_changed,
            route=evse.route,
        )

    def _owner_changed(self, before: EvseState, after: EvseState) -> None:
        if before is not after:
            self._site.changed(before, after)
            self._profiles.sessions_changed()
        self._cycle.prompt()
        self._changed()

    def _changed(self) -> None:
        self._panorama.changed()
        self._edges.changed()

    async def _leave_safe_mode(self) -> None:
        await self._edges.leave_safe_mode(self.tasks)
        self._changed()

    def _all_supervised(self) -> tuple[Supervised, ...]:
        return (*self._plant.supervised.values(), *self._edges.supervised, *self._supervised)

    def _alarms(self) -> tuple[str, ...]:
        """Those that no part tells by itself."""
        alarms = [
            f"EVSE {name} was taken out of site.toml with a transaction open: put it back" for name in self._orphans
        ]
        if self.store.failing:
            alarms.append(f"the store fails: {self.store.last_error or 'the medium does not answer'}")
        return (*self._edges.alarms, *alarms, *self._profiles.alarms())
