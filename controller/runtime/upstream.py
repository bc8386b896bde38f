"""The CSMS side of the site: one station per connection, the variables, and who answers for which EVSE."""

import asyncio
from dataclasses import dataclass, replace

from controller.charging.commands import Ask, Command, Outcome, Result, StartRemotely
from controller.charging.rules import Rules
from controller.charging.view import CsmsView, Look
from controller.clock import Clock
from controller.csms.slice import CsmsError, CsmsSlice, StationSlice
from controller.csms.station import Station
from controller.csms.variables import Variables
from controller.runtime.authoriser import AskCsms
from controller.runtime.slices import EvseSlice
from controller.runtime.supervise import Supervised
from controller.store.store import Store


@dataclass(frozen=True, slots=True)
class UpstreamParts:
    store: Store
    clock: Clock
    ask: Ask
    look: Look


class Upstream:
    """Rebuilt as a whole when the CSMS' slice changes; cars go on charging meanwhile."""

    def __init__(self, parts: UpstreamParts) -> None:
        self._parts = parts
        self._slice: CsmsSlice | None = None
        self._stations: dict[str, Station] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.variables: Variables | None = None
        self.supervised: list[Supervised] = []
        self.held = False
        """Stations are built but do not run (R38): rules, routes and the policy for being offline stay in force."""

    async def variables_for(self, csms: CsmsSlice | None) -> Variables | None:
        """What `change_to` needs before it can change everything at one stroke.

        Raises:
            StoreError: they cannot be read or written.
        """
        if csms is None:
            return None
        if csms == self._slice:
            return self.variables
        return await Variables.load(self._parts.store, csms)

    def change_to(self, csms: CsmsSlice | None, variables: Variables | None, tasks: asyncio.TaskGroup) -> None:
        """Connect to this CSMS from now on, and to no other."""
        if csms == self._slice:
            return
        for task in self._tasks:
            task.cancel()
        self._tasks, self._stations, self.supervised = [], {}, []
        self._slice, self.variables = csms, variables
        if csms is None or variables is None:
            return
        for slice_ in csms.stations:
            station = Station(
                csms=csms,
                station=slice_,
                store=self._parts.store,
                clock=self._parts.clock,
                ask=_on_behalf_of(slice_, self._parts.ask),
                look=self._parts.look,
                variables=variables,
            )
            self._stations[slice_.identity] = station
            supervised = Supervised(f"CSMS link of {slice_.identity}", station.run, self._parts.clock)
            self.supervised.append(supervised)
        if not self.held:
            self._connect(tasks)

    def release(self, tasks: asyncio.TaskGroup) -> None:
        """Let the stations run that were held."""
        if self.held:
            self.held = False
            self._connect(tasks)

    def _connect(self, tasks: asyncio.TaskGroup) -> None:
        for supervised in self.supervised:
            self._tasks.append(tasks.create_task(supervised.run(), name=supervised.name))

    def rules(self, evse: EvseSlice | None = None) -> Rules:
        """What the core goes by: the variables, and the EVSE's own facts."""
        rules = self.variables.rules() if self.variables else Rules()
        if evse is None:
            return rules
        max_power_w = evse.point.max_ma * 240 * evse.point.phases // 1000
        return replace(rules, billed_by=evse.billed_by, max_power_w=max_power_w)

    def asks_for(self, evse: str) -> AskCsms | None:
        """How tokens presented at this EVSE are checked upstream."""
        if self._slice is None:
            return None
        for slice_ in self._slice.stations:
            if evse in slice_.evses:
                return _asks(self._slice.id, self._stations[slice_.identity])
        return None

    async def set_variable(self, name: str, value: str) -> Outcome:
        """Write a variable on behalf of somebody at the box."""
        if self.variables is None:
            return Outcome(Result.REFUSED, "no CSMS is configured, so there are no variables")
        try:
            await self.variables.set(name, value)
        except CsmsError as error:
            return Outcome(Result.REFUSED, str(error))
        return Outcome(Result.DONE)

    async def resend_parked(self) -> Outcome:
        """Put parked messages back into their queues (R27)."""
        if not self._stations:
            return Outcome(Result.REFUSED, "no CSMS is configured")
        again = [await station.send_parked_again() for station in self._stations.values()]
        return Outcome(Result.DONE, f"{sum(again)} messages are sent again")

    def site_changed(self) -> None:
        for station in self._stations.values():
            station.site_changed()

    def views(self) -> tuple[CsmsView, ...]:
        return tuple(station.view() for station in self._stations.values())


def _on_behalf_of(station: StationSlice, ask: Ask) -> Ask:
    """What a station asks without naming an EVSE concerns its own."""

    async def asked(command: Command) -> Outcome:
        if isinstance(command, StartRemotely) and command.evse is None:
            command = replace(command, evses=station.evses)
        return await ask(command)

    return asked


def _asks(csms: str, station: Station) -> AskCsms:
    return AskCsms(csms, lambda: station.view().connected, station.authorise)
