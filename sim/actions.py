"""What the control API can do to the site: one row of `ROUTES` for each POST path."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from sim import bodies
from sim.bus_faults import KINDS, Fault
from sim.dc.actions import DcActions
from sim.dc.plant import DcStation
from sim.ev_actions import EvActions, charger_error
from sim.modbus_server import RtuBus
from sim.readers import HOLD_S
from sim.upstream import Upstream
from sim.world import NotNowError, Station, World

Answer = dict[str, Any]
REMEMBER = 1000
"""Answers kept for repeated `request_id`s."""


class BadRequestError(Exception):
    """The request itself is wrong, whatever the state of the site."""


class NotFoundError(Exception):
    """There is no such path, EVSE, reader, meter or bus."""


class Actions:
    """Carries out requests; a 200 means that `perform` returned."""

    def __init__(self, world: World, upstream: Upstream) -> None:
        self._world = world
        self._upstream = upstream
        self._ev = EvActions(world)
        self._dc = DcActions(world)
        self._done: OrderedDict[str, asyncio.Task[Answer]] = OrderedDict()

    async def perform(self, path: str, body: object) -> Answer:
        """Do what the path below /v1/ says.

        Raises:
            BadRequestError: 422. NotFoundError: 404. NotNowError: 409.
        """
        for pattern, form, action in ROUTES:
            match = re.fullmatch(pattern, path)
            if match is not None:
                try:
                    request = form.model_validate({} if body is None else body)
                except ValidationError as fault:
                    raise BadRequestError(_readable(fault)) from fault
                return await self._once(path, request, partial(action, self, match[1], request))
        raise NotFoundError(f"there is no /v1/{path}")

    async def _once(self, path: str, request: BaseModel, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """Act, unless this `request_id` has been answered or is being answered."""
        request_id = getattr(request, "request_id", None)
        if request_id is None:
            return await act()
        key = f"{path} {request_id}"
        task = self._done.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.ensure_future(_as_coroutine(act))
            self._done[key] = task
            while len(self._done) > REMEMBER:
                self._done.popitem(last=False)
        return await asyncio.shield(task)

    async def close(self) -> None:
        for task in self._done.values():
            task.cancel()
        await asyncio.gather(*self._done.values(), return_exceptions=True)

    def _station(self, number: str) -> Station | DcStation:
        stations = self._world.numbered
        if not 1 <= int(number) <= len(stations):
            raise NotFoundError(f"there is no EVSE {number}; they are 1 to {len(stations)}")
        return stations[int(number) - 1]

    # EVSEs.

    async def plug_in(self, number: str, body: bodies.PlugIn) -> Answer:
        station = self._station(number)
        try:
            if isinstance(station, DcStation):
                await self._dc.plug_in(station, body)
            else:
                await self._ev.plug_in(station, body)
        except ValueError as fault:
            raise BadRequestError(str(fault)) from fault
        return {"pilot": station.controller.letter}

    async def unplug(self, number: str, body: bodies.Nothing) -> Answer:
        station = self._station(number)
        if isinstance(station, DcStation):
            await self._dc.unplug(station)
        else:
            await self._ev.unplug(station)
        return {}

    async def ev(self, number: str, body: bodies.EvMood) -> Answer:
        station = self._station(number)
        if isinstance(station, DcStation):
            await self._dc.change(station, body)
        else:
            await self._ev.change(station, body)
        return {"pilot": station.controller.letter}

    async def charger(self, number: str, body: bodies.Charger) -> Answer:
        station = self._station(number)
        if isinstance(station, DcStation):
            await self._dc.charger(station, body)
        else:
            await self._ev.charger(station, body)
        return {}

    async def error(self, number: str, body: bodies.ChargerError) -> Answer:
        station = self._station(number)
        if isinstance(station, DcStation):
            await self._dc.error(station, body)
        else:
            await charger_error(self._world, station, body)
        return {"errors": sorted(station.controller.errors)}

    # Everything else.

    async def tap(self, name: str, body: bodies.Tap) -> Answer:
        world = self._world
        readers = list(world.readers.values())
        reader = world.readers.get(name)
        if reader is None and name.isdigit() and 1 <= int(name) <= len(readers):
            reader = readers[int(name) - 1]
        if reader is None:
            return await self._tap_charger(name, body)
        hold_s = HOLD_S if body.hold_ms is None else body.hold_ms / 1000
        try:
            if body.raw is not None:
                await reader.raw(bytes.fromhex(body.raw))
            else:
                frame = reader.frame(body.plain_uid)
                await reader.tap(frame, hold_s=hold_s, times=body.repeat)
        except ValueError as fault:
            raise BadRequestError(str(fault)) from fault
        world.log.add("tap", reader=reader.name, uid=body.uid, raw=body.raw)
        return {"reader": reader.name}

    async def _tap_charger(self, name: str, body: bodies.Tap) -> Answer:
        station = next((s for s in self._world.numbered if s.spec.id == name), None)
        if station is None:
            raise NotFoundError(f"there is no reader {name}")
        if body.raw is not None:
            raise NotNowError(f"the reader of {name} has no line of its own")
        if not station.controller.up:
            raise NotNowError(f"{name} has no power")
        if isinstance(station, DcStation):
            await self._dc.tap(station, body)
        else:
            await self._ev.tap(station, body)
        return {"reader": name}

    async def bus_fault(self, name: str, body: bodies.BusFault) -> Answer:
        if name in self._world.dc.can:
            return self._can_fault(name, body)
        bus = self._world.buses.get(name)
        if bus is None:
            raise NotFoundError(f"there is no bus {name}")
        if body.kind not in (*KINDS, "none"):
            raise BadRequestError(f"{body.kind} is no fault of a Modbus bus")
        until_s = None if body.seconds is None else self._world.clock.now_s + body.seconds
        device = None if body.device is None else str(body.device)
        if device is not None and not bus.slaves.knows(device):
            raise BadRequestError(f"there is no device {device} on {name}")
        if body.kind == "none":
            bus.slaves.faults.clear()
        else:
            bus.slaves.faults.set(Fault(body.kind, device, body.rate, until_s))
        self._world.log.add("bus_fault", bus=name, fault=body.kind, device=device, rate=body.rate)
        return {"bus": name, "wire": "rtu" if isinstance(bus, RtuBus) else "tcp"}

    def _can_fault(self, name: str, body: bodies.BusFault) -> Answer:
        try:
            self._dc.can_fault(self._world.dc.can[name], body)
        except ValueError as fault:
            raise BadRequestError(str(fault)) from fault
        return {"bus": name, "wire": "can"}

    async def meter(self, name: str, body: bodies.MeterChange) -> Answer:
        meter = self._world.meters.get(name)
        if meter is None:
            raise NotFoundError(f"there is no meter {name}")
        if "power_w" in body.model_fields_set:
            meter.power_w = body.power_w
        if body.step_w is not None:
            meter.step_w = body.step_w
        if body.rollover:
            meter.energy_wh = 0.0
        if body.energy_wh is not None:
            meter.energy_wh = body.energy_wh
        if body.freeze is not None:
            meter.frozen = body.freeze
        if not meter.frozen:
            meter.refresh()
        self._world.log.add("meter_changed", meter=name, **body.model_dump(exclude_unset=True))
        return {"energy_wh": meter.energy_wh}

    async def load(self, _: str, body: bodies.Load) -> Answer:
        circuit = self._world.wiring.circuits.get(body.circuit)
        if circuit is None:
            raise BadRequestError(f"there is no circuit {body.circuit}")
        self._world.advance()
        for phase, amps in enumerate((body.l1_a, body.l2_a, body.l3_a)):
            if amps is not None:
                circuit.load_a[phase] = amps
        self._world.log.add("load", circuit=body.circuit, **body.model_dump(exclude={"circuit"}))
        stepped_s = self._world.now_s
        await self._world.until(lambda: self._world.now_s > stepped_s, within_s=5, what="time stands still")
        return {"load_a": circuit.load_a}

    async def power(self, _: str, body: bodies.Power) -> Answer:
        world = self._world
        world.set_power(body.on)
        slowest_s = max(s.spec.boot_s for s in world.numbered)
        await world.until(
            lambda: all(s.controller.up == body.on for s in world.numbered),
            within_s=slowest_s + 5, what="not all chargers came up",
        )  # fmt: skip
        return {"on": body.on}

    async def input(self, name: str, body: bodies.Input) -> Answer:
        self._world.inputs.set(name, active=body.active, broken=bool(body.broken))
        self._world.log.add("input", input=name, active=body.active, broken=bool(body.broken))
        return {name: self._world.inputs.summary()[name]}

    async def panel(self, name: str, body: bodies.PanelWords) -> Answer:
        panel = self._world.panels.get(name)
        if panel is None:
            raise NotFoundError(f"there is no panel {name}")
        panel.set(body.table, body.address, body.words)
        self._world.log.add("panel", panel=name, **body.model_dump())
        return {name: body.words}

    async def module(self, name: str, body: bodies.Module) -> Answer:
        names = self._dc.module(name, body)
        if not names:
            raise NotFoundError(f"there is no power module or stack {name}")
        return {"modules": names}

    async def secc(self, number: str, body: bodies.Secc) -> Answer:
        station = self._station(number)
        if not isinstance(station, DcStation):
            raise NotNowError(f"{station.spec.id} is no DC outlet: it has no SECC")
        await self._dc.secc(station, body)
        return {"pilot": station.controller.letter}

    async def contactor(self, name: str, body: bodies.MatrixContactor) -> Answer:
        if not self._dc.contactor(name, body):
            raise NotFoundError(f"there is no contactor {name}")
        return {"contactor": name}

    async def clock(self, _: str, body: bodies.Clock) -> Answer:
        clock = self._world.clock
        if body.scale is not None:
            self._world.advance()
            clock.scale = body.scale
        return {"scale": clock.scale, "time_s": clock.now_s}

    # Upstream.

    async def network(self, _: str, body: bodies.Network) -> Answer:
        self._upstream.set_network(body.state, ms=body.ms, seconds=body.seconds)
        self._world.log.add("network", state=body.state)
        return {"state": body.state}

    async def csms_call(self, _: str, body: bodies.CsmsCall) -> Answer:
        try:
            return await self._upstream.call(body.identity, body.action, body.payload)
        except ValueError as fault:
            raise BadRequestError(str(fault)) from fault

    async def csms_behaviour(self, _: str, body: bodies.Behaviour) -> Answer:
        try:
            self._upstream.behave(body.model_dump(exclude_unset=True))
        except ValueError as fault:
            raise BadRequestError(str(fault)) from fault
        return {}


Route = tuple[str, type[BaseModel], Callable[[Actions, str, Any], Awaitable[Answer]]]
ROUTES: tuple[Route, ...] = (
    (r"evse/(\d+)/plug_in", bodies.PlugIn, Actions.plug_in),
    (r"evse/(\d+)/unplug", bodies.Nothing, Actions.unplug),
    (r"evse/(\d+)/ev", bodies.EvMood, Actions.ev),
    (r"evse/(\d+)/charger", bodies.Charger, Actions.charger),
    (r"evse/(\d+)/error", bodies.ChargerError, Actions.error),
    (r"reader/([^/]+)/tap", bodies.Tap, Actions.tap),
    (r"bus/([^/]+)/fault", bodies.BusFault, Actions.bus_fault),
    (r"meter/([^/]+)", bodies.MeterChange, Actions.meter),
    (r"(load)", bodies.Load, Actions.load),
    (r"(power)", bodies.Power, Actions.power),
    (r"input/([^/]+)", bodies.Input, Actions.input),
    (r"panel/([^/]+)", bodies.PanelWords, Actions.panel),
    (r"module/([^/]+)", bodies.Module, Actions.module),
    (r"secc/(\d+)", bodies.Secc, Actions.secc),
    (r"contactor/([^/]+/[^/]+)", bodies.MatrixContactor, Actions.contactor),
    (r"(clock)", bodies.Clock, Actions.clock),
    (r"(network)", bodies.Network, Actions.network),
    (r"(csms)/call", bodies.CsmsCall, Actions.csms_call),
    (r"(csms)/behaviour", bodies.Behaviour, Actions.csms_behaviour),
)


async def _as_coroutine(act: Callable[[], Awaitable[Answer]]) -> Answer:
    return await act()


def _readable(fault: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in fault.errors())
