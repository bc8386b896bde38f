"""What is asked of the site as a whole: reload, variables, limits, charging profiles, scans.

What is asked of an EVSE is answered by `runtime/site`, which hands on to here whatever is not.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
from controller.charging.rows import RowError
from controller.charging.session import Idle
from controller.config.problems import ConfigError
from controller.config.proof import load
from controller.config.slices import SiteConfig
from controller.csms.variables import Variables
from controller.runtime.limit_desk import LimitDesk
from controller.runtime.modules import forget
from controller.runtime.plant import EvseUnit, Plant
from controller.runtime.scanning import Scanning
from controller.runtime.smart_charging import SmartCharging
from controller.runtime.upstream import Upstream

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Administration:
    """`change_to` brings the running site to a new configuration, `changed` tells who looks at it."""

    path: Path
    config: Callable[[], SiteConfig]
    change_to: Callable[[SiteConfig, Variables | None], None]
    changed: Callable[[], None]
    upstream: Upstream
    limits: LimitDesk
    plant: Plant
    profiles: SmartCharging
    scanning: Scanning
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, command: Command) -> Outcome:
        match command:
            case Reload():
                return await self._reload()
            case SetVariable(name, value):
                return await self.upstream.set_variable(name, value)
            case ResendParked():
                return await self.upstream.resend_parked()
            case SetChargingProfile() | ClearChargingProfiles() | FindChargingProfiles() | ReadSchedule():
                return await self.profiles.ask(command)
            case SetLimit() | WithdrawLimit() | ReleaseStop():
                outcome = await self.limits.ask(command)
                self.changed()
                return outcome
            case ForgetModule():
                outcome = forget(self.plant.wires, command)
                self.changed()
                return outcome
            case StartScan() | CancelScan() | ReadRegisters() | WriteRegister():
                return await self.scanning.ask(command)
            case _:
                return Outcome(Result.UNKNOWN, "no such command")

    async def _reload(self) -> Outcome:
        """Read the file again. Refused as a whole if it is wrong or would cut off a running transaction."""
        async with self._reloading:
            try:
                config = await asyncio.to_thread(load, self.path)
            except ConfigError as error:
                return Outcome(Result.REFUSED, str(error))
            variables = await self.upstream.variables_for(config.csms)
            if why_not := _hindrance(self.config(), config, self.plant.evses):
                return Outcome(Result.REFUSED, why_not)
            _log.info("reloading %s", self.path)
            try:
                self.change_to(config, variables)
            except RowError as error:
                return Outcome(Result.REFUSED, str(error))
            return Outcome(Result.DONE, "the site runs with the new configuration")


def _hindrance(old: SiteConfig, new: SiteConfig, evses: Mapping[str, EvseUnit]) -> str | None:
    if (new.id, new.state_dir, new.web, new.cycle_s) != (old.id, old.state_dir, old.web, old.cycle_s):
        return "site.id, site.state_dir, site.cycle_s and [web] change only with a restart"
    routes = {evse.id: evse.route for evse in new.plant.evses}
    for name, unit in evses.items():
        idle = isinstance(unit.controlled.owner.state.phase, Idle)
        if not idle and name not in routes:
            return f"EVSE {name} is in use: end its session before removing the EVSE"
        if not idle and routes[name] != unit.plan.route:
            return f"EVSE {name} is in use: end its session before it moves to another CSMS or station"
    return None
