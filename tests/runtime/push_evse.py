"""A charger that nobody polls: it pushes what happens, takes amperes or watts, and reads cards itself (R14).

It stands in for DC outlets and for chargers that speak OCPP themselves: behind it there is no wire, no schedule and
no device profile, only the protocols of `drivers.api`.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from drivers.api import (
    NO_CURRENT,
    Capabilities,
    DeviceError,
    Evse,
    EvseRead,
    EvseReading,
    EvState,
    FallBack,
    Fault,
    Feedback,
    Health,
    HealthChanged,
    Meter,
    MeterRead,
    MeterReading,
    Phases,
    SensorRead,
    Setpoint,
    Sink,
    TokenRead,
)
from drivers.profile import DeviceProfile
from drivers.setups import DcSetup, EvseSetup, MeterSetup, RegisterSetup

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan


class PushEvse:
    def __init__(self, setup: EvseSetup, sink: Sink, journal: list[tuple[str, int]] | None = None) -> None:
        self.id = setup.id
        self.setup = setup
        self.journal = [] if journal is None else journal
        self.capabilities = Capabilities(meter=True, reader=True, transactions=True, lock=True, unlock=True)
        self.fall_back = FallBack(15.0, setup.failsafe_ma, verified=True, holds_last=False, power_up_ma=0)
        self.health = Health.UNKNOWN
        self.latest: EvseReading | None = None
        self.applied: list[Setpoint] = []
        self.refusal: Exception | None = None
        self.free = asyncio.Event()
        """Cleared, it never says whether it took a setpoint."""
        self.free.set()
        self.readable = False
        """Set, it repeats its state with its register when it is asked."""
        self.unlocked = 0
        self.energy_wh = 1000
        self.counter: int | None = None
        self._sink = sink

    @property
    def held_ma(self) -> int:
        return self.applied[-1].current_ma if self.applied else 0

    async def apply(self, setpoint: Setpoint) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.applied.append(setpoint)
        self.journal.append((self.id, setpoint.current_ma))
        await self.free.wait()

    async def read_now(self) -> EvseReading:
        if not self.readable or self.latest is None or self.latest.state is None:
            raise DeviceError(Fault.REFUSED, f"{self.id}: tells what happens, and nothing when asked")
        return self.say(self.latest.state)

    async def unlock(self) -> None:
        self.unlocked += 1

    def say(
        self, state: EvState, *, drawn_ma: int = 0, energy_wh: int | None = None, error: str | None = None
    ) -> EvseReading:
        """Push a reading of now; the register stays where it was unless it is given."""
        self.energy_wh = self.energy_wh if energy_wh is None else energy_wh
        reading = EvseReading(
            t_s=time.monotonic(),
            state=state,
            plugged=state.plugged,
            current_ma=Phases(drawn_ma, drawn_ma, drawn_ma) if drawn_ma else NO_CURRENT,
            power_w=drawn_ma * 690 // 1000,
            energy_wh=self.energy_wh,
            plug_counter=self.counter,
            error=error,
        )
        self.push(reading)
        return reading

    def push(self, reading: EvseReading) -> None:
        first = self.health is not Health.OK
        self.health, self.latest = Health.OK, reading
        self._sink(EvseRead(self.id, reading))
        if first:
            self._sink(HealthChanged(self.id, Health.OK, "answers", reading.t_s))

    def push_without_register(self, state: EvState) -> None:
        self.push(replace(EvseReading(time.monotonic(), state, state.plugged), plug_counter=self.counter))

    def lose(self) -> None:
        self.health = Health.LOST
        self._sink(HealthChanged(self.id, Health.LOST, "no answer", time.monotonic()))

    def tap(self, uid: str) -> None:
        self._sink(TokenRead(self.id, uid, time.monotonic()))

    def in_watts(self) -> "PushEvse":
        self.capabilities = replace(self.capabilities, power=True)
        return self


class PushMeter:
    def __init__(self, setup: MeterSetup, sink: Sink) -> None:
        self.id = setup.id
        self.health = Health.OK
        self.period_s = setup.period_s
        self.latest: MeterReading | None = None
        self._sink = sink

    def say(self, current_ma: int, energy_wh: int) -> None:
        currents = Phases(current_ma, current_ma, current_ma)
        self.latest = MeterReading(time.monotonic(), currents, current_ma * 690 // 1000, True, energy_wh)
        self._sink(MeterRead(self.id, self.latest))


class PushReader:
    """A reader at the door; what it was told to show is kept."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.id = name
        self.health = Health.OK
        self.shown: list[Feedback] = []
        self._sink = sink

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def show(self, feedback: Feedback) -> None:
        self.shown.append(feedback)

    def tap(self, uid: str) -> None:
        self._sink(TokenRead(self.id, uid, time.monotonic()))


class PushInput:
    """A digital input, or a register, that says what a test wants."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.id = name
        self.running = False
        self._sink = sink

    async def run(self) -> None:
        self.running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.running = False

    def say(self, value: int | None) -> None:
        self._sink(SensorRead(self.id, value, time.monotonic()))


class PushBus:
    """Whoever speaks to such chargers. `break_it` makes its `run` raise, as a bug would."""

    def __init__(self, sink: Sink) -> None:
        self.evses: dict[str, PushEvse] = {}
        self.meters: dict[str, PushMeter] = {}
        self.sensors: dict[str, PushInput] = {}
        self.journal: list[tuple[str, int]] = []
        """All setpoints of its outlets, in the order in which they came."""
        self.starts = 0
        self.open = False
        self._sink = sink
        self._broken = asyncio.Event()

    def break_it(self) -> None:
        self._broken.set()

    async def run(self) -> None:
        self.starts += 1
        self.open = True
        try:
            await self._broken.wait()
            self._broken.clear()
            raise RuntimeError("a bug")
        finally:
            await asyncio.sleep(0.01)
            self.open = False

    def add_evse(self, setup: EvseSetup, profile: DeviceProfile) -> Evse:
        del profile
        self.evses[setup.id] = PushEvse(setup, self._sink, self.journal)
        return self.evses[setup.id]

    def add_meter(self, setup: MeterSetup, profile: DeviceProfile) -> Meter:
        del profile
        self.meters[setup.id] = PushMeter(setup, self._sink)
        return self.meters[setup.id]

    def add_sensor(self, setup: RegisterSetup) -> None:
        self.sensors[setup.id] = PushInput(setup.id, self._sink)

    def remove(self, device_id: str) -> None:
        if self.evses.pop(device_id, None) is None and self.sensors.pop(device_id, None) is None:
            del self.meters[device_id]


class PushModule(NamedTuple):
    address: int
    silent: bool


class PushStack(NamedTuple):
    id: str
    at: str | None
    modules: tuple[PushModule, ...] = ()


class PushCluster:
    """DC outlets that push; a test says which of them has which stack of power modules."""

    def __init__(self, plan: "ClusterPlan", buses: Iterable[str], sink: Sink) -> None:
        self.plan = plan
        self.buses = frozenset(buses)
        self.starts = 0
        self.open = False
        self.outlets: Mapping[str, PushEvse] = {
            one.setup.id: PushEvse(_as_evse(one.setup), sink).in_watts() for one in plan.outlets
        }
        self.at: dict[str, str | None] = {one.setup.id: one.setup.evse for one in plan.stacks}
        self.silent: dict[str, set[int]] = {}
        """Addresses of modules that fell silent, by their stack; others answer."""
        self._sink = sink

    async def run(self) -> None:
        self.starts += 1
        self.open = True
        try:
            await asyncio.Event().wait()
        finally:
            self.open = False

    def stacks(self) -> tuple[PushStack, ...]:
        silent = {name: self.silent.get(name, set()) for name in self.at}
        modules = {
            name: tuple(PushModule(at, silent=True) for at in sorted(found)) for name, found in silent.items()
        }
        return tuple(PushStack(name, at, modules[name]) for name, at in self.at.items())

    def forget(self, stack: str, address: int) -> None:
        if address not in self.silent.get(stack, set()):
            raise DeviceError(Fault.REFUSED, f"{stack}/{address} answers")
        self.silent[stack].remove(address)

    def tell(self, device: str, health: Health, text: str) -> None:
        """Of a stack, or of one of its modules."""
        self._sink(HealthChanged(device, health, text, time.monotonic()))


def _as_evse(setup: DcSetup) -> EvseSetup:
    return EvseSetup(setup.id, setup.unit, 1, 0, 18.0, setup.min_ma, setup.max_ma, 0)
