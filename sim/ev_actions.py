"""What the control API does at one EVSE: to the EV, the plug and the charger."""

from sim.bodies import Charger, ChargerError, EvMood, PlugIn, Tap
from sim.dc.vehicle import DcEv
from sim.physics import Ev, EvSpec, Mood, supply_phases
from sim.tags import TAG_S
from sim.world import NotNowError, Station, World

MAX_A = 32.0
RAMP_S = (0.5, 4.0)
DELAY_S = (0.3, 2.0)
PATIENCE_S = 10.0
"""Simulated seconds within which the hardware must get where it was told to go."""


class EvActions:
    """Changes EVs and chargers, and waits until the pilot shows it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.chance("evs")

    async def plug_in(self, station: Station, body: PlugIn) -> None:
        """Connect an EV; repeating it changes nothing.

        Raises:
            ValueError: a rotation that does not exist.
        """
        spec = self._spec(station, body)
        if body.battery_v is not None or body.demand_s is not None:
            raise ValueError(f"{station.spec.id} is no DC outlet: battery_v and demand_s mean nothing there")
        if station.outlet.ev is None:
            self._world.advance()
            station.outlet.plug_in(Ev(spec))
            self._world.log.add("plugged", evse=station.spec.id, max_a=spec.max_a, phases=len(spec.conductors))
        if station.controller.up and not station.controller.stopped:
            shown_s = self._world.now_s
            await self._world.until(
                lambda: self._world.now_s > shown_s, within_s=PATIENCE_S, what="the pilot does not change"
            )

    def _spec(self, station: Station, body: PlugIn) -> EvSpec:
        wired = len(station.spec.supply)
        conductors = supply_phases(body.rotation) if body.rotation else (0, 1, 2)
        conductors = tuple(c for c in conductors[: body.phases] if c < wired)
        if not conductors:
            raise ValueError(f"{station.spec.id} has {wired} phases: nothing is left for rotation {body.rotation}")
        return EvSpec(
            max_a=MAX_A if body.max_a is None else body.max_a,
            conductors=conductors,
            soc=body.soc if body.soc <= 1 else body.soc / 100,
            capacity_wh=body.capacity_wh,
            ramp_s=self._rng.uniform(*RAMP_S) if body.ramp_s is None else body.ramp_s,
            delay_s=self._rng.uniform(*DELAY_S) if body.delay_s is None else body.delay_s,
            evccid=body.evccid,
        )

    async def unplug(self, station: Station) -> None:
        if station.outlet.ev is not None:
            self._world.advance()
            station.outlet.unplug()
            self._world.log.add("unplugged", evse=station.spec.id, energy_wh=station.outlet.energy_wh)
        shown_s = self._world.now_s
        await self._world.until(
            lambda: self._world.now_s > shown_s and not any(station.outlet.drawn_a),
            within_s=PATIENCE_S, what="current still flows",
        )  # fmt: skip

    async def change(self, station: Station, body: EvMood) -> None:
        ev = station.outlet.ev
        if ev is None:
            raise NotNowError(f"no EV is plugged in at {station.spec.id}")
        set_mood(ev, body)
        self._world.log.add("ev", evse=station.spec.id, **body.model_dump(exclude_unset=True))
        if ev.mood is not Mood.READY:
            await self._world.until(lambda: not ev.asking, within_s=PATIENCE_S, what="the EV does not let go")

    async def charger(self, station: Station, body: Charger) -> None:
        controller = station.controller
        self._world.log.add("charger", evse=station.spec.id, **body.model_dump(exclude_unset=True))
        if body.stuck_setpoint is not None:
            controller.stick(body.stuck_setpoint)
        if body.welded is not None:
            controller.weld(body.welded)
        if body.latency_s is not None:
            controller.latency_s = body.latency_s
        if body.reject_writes is not None:
            controller.reject_rate = body.reject_writes
        if body.watchdog is not None:
            controller.watchdog_works = body.watchdog
        if body.reboot:
            await self._reboot(station)

    async def _reboot(self, station: Station) -> None:
        """Restart the whole device, other outlets included, and wait until it is up."""
        if not self._world.powered:
            raise NotNowError("the mains are off")
        self._world.reboot(station)
        await self._world.until(
            lambda: station.device.answers, within_s=station.spec.boot_s + 5, what="the charger does not come up"
        )

    async def tap(self, station: Station, body: Tap) -> None:
        hold_s = TAG_S if body.hold_ms is None else body.hold_ms / 1000
        try:
            station.device.show_tag(station.spec.outlet, body.plain_uid, hold_s)
        except ValueError as fault:
            raise NotNowError(str(fault)) from fault
        self._world.log.add("tap", reader=station.spec.id, uid=body.uid)


async def charger_error(world: World, station: Station, body: ChargerError) -> None:
    """Raise or clear an error, and wait until the pilot shows it."""
    errors = station.controller.errors
    if body.raised:
        errors.add(body.kind)
    else:
        errors.discard(body.kind)
    world.log.add("error", evse=station.spec.id, error=body.kind, raised=body.raised)
    shown_s = world.now_s
    await world.until(lambda: world.now_s > shown_s, within_s=PATIENCE_S, what="time stands still")


def set_mood(ev: Ev | DcEv, body: EvMood) -> None:
    """What is not mentioned stays as it is."""
    given = body.model_fields_set
    if "draw_a" in given:
        ev.draw_a = body.draw_a
    if "draw_w" in given:
        ev.draw_w = body.draw_w
    if body.overdraw_ratio is not None:
        ev.overdraw_ratio = body.overdraw_ratio
    if body.ignores_limit is not None:
        ev.ignores_limit = body.ignores_limit
    if body.state is not None:
        ev.mood = Mood(body.state)
