"""What the control API does to DC outlets, power modules, contactors and CAN buses."""

from sim.bodies import BusFault, Charger, ChargerError, EvMood, MatrixContactor, Module, PlugIn, Secc, Tap
from sim.can.bus import CanBus
from sim.can.faults import KINDS, CanFault
from sim.can.modules import SimModule
from sim.dc.contactor import Contactor
from sim.dc.plant import DcStation
from sim.dc.vehicle import DcEv, DcEvSpec
from sim.ev_actions import set_mood
from sim.physics import Mood
from sim.tags import TAG_S
from sim.world import NotNowError, World

PATIENCE_S = 10.0
"""Simulated seconds within which the hardware must get where it was told to go."""
MAX_A = 200.0
BATTERY_V = 400.0
RAMP_S = (1.0, 6.0)
DEMAND_S = (0.1, 0.5)


class DcActions:
    """A 200 means that the state is reached."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.chance("dc evs")

    async def plug_in(self, station: DcStation, body: PlugIn) -> None:
        """Connect an EV; repeating it changes nothing.

        Raises:
            ValueError: an EV that is none with DC.
        """
        if body.phases is not None or body.rotation is not None or body.delay_s is not None:
            raise ValueError(f"{station.spec.id} is a DC outlet: phases, rotation and delay_s mean nothing there")
        spec = self._spec(body)
        if station.outlet.ev is None:
            self._world.advance()
            station.outlet.plug_in(DcEv(spec))
            self._world.log.add("plugged", evse=station.spec.id, max_a=spec.max_a, battery_v=spec.battery_v)
        await self._pass_a_moment()

    def _spec(self, body: PlugIn) -> DcEvSpec:
        max_a = MAX_A if body.max_a is None else body.max_a
        ramp_s = self._rng.uniform(*RAMP_S) if body.ramp_s is None else body.ramp_s
        return DcEvSpec(
            battery_v=BATTERY_V if body.battery_v is None else body.battery_v,
            max_a=max_a,
            soc=body.soc if body.soc <= 1 else body.soc / 100,
            capacity_wh=body.capacity_wh,
            ramp_a_s=max_a / max(ramp_s, 0.05),
            demand_s=self._rng.uniform(*DEMAND_S) if body.demand_s is None else body.demand_s,
            evccid=body.evccid,
        )

    async def unplug(self, station: DcStation) -> None:
        """The plug is locked until the outlet is dead: the driver ends the session first.

        Raises:
            NotNowError: it does not come free.
        """
        ev, outlet = station.outlet.ev, station.outlet
        if ev is None:
            return
        self._world.advance()
        if ev.mood is Mood.READY:
            ev.mood = Mood.SUSPENDED
        await self._world.until(
            lambda: not ev.closed and not station.controller.request, within_s=PATIENCE_S, what="the plug is locked"
        )
        outlet.unplug()
        station.controller.unplugged()
        self._world.log.add("unplugged", evse=station.spec.id, energy_wh=outlet.energy_wh)
        await self._pass_a_moment()

    async def change(self, station: DcStation, body: EvMood) -> None:
        ev = station.outlet.ev
        if ev is None:
            raise NotNowError(f"no EV is plugged in at {station.spec.id}")
        self._world.advance()
        set_mood(ev, body)
        self._world.log.add("ev", evse=station.spec.id, **body.model_dump(exclude_unset=True))
        if ev.mood is not Mood.READY:
            await self._world.until(lambda: not ev.closed, within_s=PATIENCE_S, what="the contactors do not open")

    async def charger(self, station: DcStation, body: Charger) -> None:
        if body.stuck_setpoint is not None:
            raise NotNowError(f"{station.spec.id} is a DC outlet: it has no setpoint")
        controller = station.controller
        self._world.log.add("charger", evse=station.spec.id, **body.model_dump(exclude_unset=True))
        if body.welded is not None:
            station.outlet.contactors.weld(body.welded)
        if body.latency_s is not None:
            controller.orders.latency_s = body.latency_s
        if body.reject_writes is not None:
            controller.reject_rate = body.reject_writes
        if body.watchdog is not None:
            controller.watchdog_works = body.watchdog
        if body.reboot:
            await self._reboot(station)

    async def _reboot(self, station: DcStation) -> None:
        if not self._world.powered:
            raise NotNowError("the mains are off")
        self._world.reboot(station)
        await self._world.until(
            lambda: station.device.answers, within_s=station.spec.boot_s + 5, what="the SECC does not come up"
        )

    async def error(self, station: DcStation, body: ChargerError) -> None:
        errors = station.controller.errors
        if body.raised:
            errors.add(body.kind)
        else:
            errors.discard(body.kind)
        self._world.log.add("error", evse=station.spec.id, error=body.kind, raised=body.raised)
        await self._pass_a_moment()

    async def tap(self, station: DcStation, body: Tap) -> None:
        hold_s = TAG_S if body.hold_ms is None else body.hold_ms / 1000
        try:
            station.device.show_tag(body.plain_uid, hold_s)
        except ValueError as fault:
            raise NotNowError(str(fault)) from fault
        self._world.log.add("tap", reader=station.spec.id, uid=body.uid)

    async def secc(self, station: DcStation, body: Secc) -> None:
        controller, given = station.controller, body.model_fields_set
        self._world.advance()
        self._world.log.add("secc", evse=station.spec.id, **body.model_dump(exclude_unset=True))
        if "target_v" in given:
            controller.forced_v = body.target_v
        if "target_a" in given:
            controller.forced_a = body.target_a
        if body.insulation_ok is not None:
            controller.insulation_fails = not body.insulation_ok
        if body.stale is not None:
            controller.frozen = body.stale
        if body.contactor is not None:
            set_fault(station.outlet.contactors, body.contactor)
        await self._hang(station, body.hang)

    async def _hang(self, station: DcStation, hangs: bool | None) -> None:
        if hangs:
            station.device.hang()
        elif hangs is not None and station.controller.hung:
            await self._reboot(station)

    def module(self, name: str, body: Module) -> list[str]:
        """Change one module or all of a stack; returns their names, none when there is no such one."""
        plant = self._world.dc
        names = [n for n in plant.modules if n == name or n.rpartition(".")[0] == name]
        self._world.advance()
        for one in names:
            _change(plant.modules[one], body)
            if body.address is not None:
                plant.readdress(one, body.address)
            self._world.log.add("module", module=one, **body.model_dump(exclude_unset=True))
        return names

    def contactor(self, name: str, body: MatrixContactor) -> bool:
        """Whether there is such a contactor."""
        found = [c for stack in self._world.dc.stacks.values() for c in stack.contactors if c.name == name]
        self._world.advance()
        for contactor in found:
            set_fault(contactor, body.fault)
            self._world.log.add("contactor", contactor=name, fault=body.fault)
        return bool(found)

    def can_fault(self, bus: CanBus, body: BusFault) -> None:
        """Raises ValueError for a fault that a CAN bus does not have."""
        if body.device is not None:
            raise ValueError("faults of a CAN bus concern all on it; see module/ for one of them")
        until_s = None if body.seconds is None else self._world.clock.now_s + body.seconds
        if body.kind == "none":
            bus.faults.clear()
        elif body.kind == "garbage":
            bus.garbage()
        elif body.kind == "disconnect":
            bus.disconnect()
        elif body.kind in KINDS:
            bus.faults.set(CanFault(body.kind, body.rate, until_s))
        else:
            raise ValueError(f"{body.kind} is no fault of a CAN bus")
        self._world.log.add("bus_fault", bus=bus.id, fault=body.kind, device=None, rate=body.rate)

    async def _pass_a_moment(self) -> None:
        """Until the controllers have seen what was done."""
        shown_s = self._world.now_s
        await self._world.until(lambda: self._world.now_s > shown_s, within_s=PATIENCE_S, what="time stands still")


def set_fault(contactor: Contactor, fault: str) -> None:
    """One fault at a time; anything else mends it."""
    contactor.welded = fault == "welded"
    contactor.stuck = fault == "stuck"
    contactor.aux_broken = fault == "aux_broken"


def _change(module: SimModule, body: Module) -> None:
    if body.silent is not None:
        module.mute = body.silent
    if body.dead is not None:
        module.dead = body.dead
    if body.fault is not None:
        module.fault = body.fault
    if body.available_w is not None:
        module.stage.available_w = body.available_w
