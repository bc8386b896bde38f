"""Power modules that deliver into one output: found, driven as one source, and watched.

A target is believed until `valid_until_s` and never longer. Whoever sets it must have a communication controller
(SECC) behind it that reports insulation and contactors (R9); this is no protective function.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from drivers.api import DeviceError, Fault, Health, HealthChanged, Sink
from drivers.can.bus import CanBus
from drivers.can.families.told import Family, Order, Told
from drivers.can.frame import Frame
from drivers.can.group_setup import GroupReading, GroupSetup, Target, check
from drivers.can.module import Module, ModuleState
from drivers.can.module_profile import ModuleProfile
from drivers.can.outbox import Priority
from drivers.can.sharing import Member, shares

FIND_EVERY_S = 10.0
FAREWELL_S = 4.0
"""So long at most the end of the task waits for the proof that all modules are off."""
FAREWELL_EACH_S = 0.25
MOST_MODULES = 60

_log = logging.getLogger(__name__)
_ANSWERING = {ModuleState.OFF, ModuleState.ON, ModuleState.UNPROVEN}


class ModuleGroup:
    """`run` is its one task; all else is called in the same loop."""

    def __init__(
        self, setup: GroupSetup, profile: ModuleProfile, family: Family, *, bus: CanBus, sink: Sink
    ) -> None:
        """Raises ValueError where the setup does not suit the device profile."""
        check(setup, profile, family, bus.bitrate)
        self._setup = setup
        self._profile = profile
        self._family = family
        self._bus = bus
        self._sink = sink
        self._modules: dict[int, Module] = {}
        self._wanted = set(setup.addresses)
        self._gone: set[int] = set()
        self._finds = not setup.addresses
        self._alone = setup.whole_bus
        self._running = False
        self._states: dict[int, Health] = {}
        self._target: Target | None = None
        self._wake = asyncio.Event()
        self._polled_s = self._found_s = float("-inf")
        self.garbled = 0
        """Frames from modules that made no sense."""

    @property
    def id(self) -> str:
        return self._setup.id

    def aim(self, target: Target | None) -> None:
        """What to deliver from now on; None: off at once.

        Raises:
            ValueError: negative, or a voltage of 0 with a current.
        """
        if target is not None and (target.current_ma < 0 or target.voltage_mv <= 0):
            raise ValueError(f"no possible output: {target}")
        self._target = target
        self._wake.set()

    def forget(self, address: int) -> None:
        """A module was taken out or has no mains: somebody looked. It counts no more until it answers.

        Raises:
            KeyError: there is no such module.
            DeviceError: it answers, so that it has mains.
        """
        now_s = _now_s()
        if self._modules[address].fresh(now_s):
            raise DeviceError(Fault.REFUSED, f"{self.id}/{address} answers: it is there, and has mains")
        del self._modules[address]
        self._states.pop(address, None)
        self._gone.add(address)
        text = "counts no more: somebody has seen that it cannot deliver; it is back as soon as it answers"
        self._sink(HealthChanged(f"{self.id}/{address}", Health.UNKNOWN, text, now_s))

    def most_ma(self, voltage_mv: int) -> int:
        """What all modules together may be asked for at that voltage, as they answer now."""
        now_s = _now_s()
        return sum(module.most_ma(voltage_mv, now_s) for module in self._modules.values())

    def held_ma(self, voltage_mv: int) -> int:
        """What modules may be delivering that cannot be asked for anything now: it is taken from every target."""
        now_s = _now_s()
        idle = [module for module in self._modules.values() if module.most_ma(voltage_mv, now_s) == 0]
        return sum(module.bound_ma for module in idle)

    @property
    def heard(self) -> bool:
        """Whether every module has answered since the group was made, or has certainly switched off since."""
        known = {module.address for module in self._modules.values() if module.met or module.bound_ma == 0}
        return bool(self._modules or self._gone) and self._wanted - self._gone <= known

    @property
    def proven_off(self) -> bool:
        """Whether no module can deliver: each proves that it is off, or was silent for longer than its time-out."""
        now_s = _now_s()
        if self._target is not None or not self._running:
            return False
        for module in self._modules.values():
            module.settle(now_s)
        return all(
            module.bound_ma == 0 and (module.proven_off(now_s) or not module.fresh(now_s))
            for module in self._modules.values()
        )

    def reading(self) -> GroupReading:
        now_s = _now_s()
        for module in self._modules.values():
            module.settle(now_s)
        views = tuple(module.view(now_s) for module in self._modules.values())
        live = [view for view in views if view.bound_ma]
        known = bool(views) and all(view.current_ma is not None and view.voltage_mv is not None for view in live)
        told = [view for view in views if view.current_ma is not None]
        times = [module.measured_s for module in self._modules.values() if module.view(now_s) in told]
        return GroupReading(
            t_s=min((t_s for t_s in times if t_s is not None), default=None),
            voltage_mv=max((view.voltage_mv or 0 for view in told), default=None) if known else None,
            current_ma=sum(view.current_ma or 0 for view in told) if known and told else None,
            bound_ma=sum(view.bound_ma for view in views),
            modules=views,
        )

    # The task.

    async def run(self) -> None:
        endings = [self._bus.subscribe(wanted, self._receive) for wanted in self._family.wanted]
        now_s = _now_s()
        for address in self._wanted - self._gone:
            self._adopt(address, now_s)
        self._running = True
        try:
            while True:
                self._turn(_now_s())
                await self._pause()
        finally:
            self._running = False
            try:
                await self._farewell()
            finally:
                self._target = None
                for end in endings:
                    end()

    async def _farewell(self) -> None:
        """All off, said again until each shows that it is: one frame may be lost, and nobody comes after us."""
        until_s = _now_s() + FAREWELL_S
        while live := self._say_off(_now_s()):
            if self._bus.health is not Health.OK:
                return
            if _now_s() >= until_s:
                names = ", ".join(f"{self.id}/{module.address}" for module in live)
                _log.error("power modules are left that do not show that they are off: %s", names)
                return
            await asyncio.sleep(FAREWELL_EACH_S)

    def _say_off(self, now_s: float) -> tuple[Module, ...]:
        """Order off, and ask, all that may be live and may hear it; returns these."""
        for module in self._modules.values():
            module.settle(now_s)
        live = tuple(one for one in self._modules.values() if self._to_be_switched_off(one, now_s))
        self._switch_off(live, now_s)
        for module in live:
            self._post(self._family.poll(module.address), Priority.READ, "poll", (module,))
        return live

    async def _pause(self) -> None:
        """Until the next poll, a new target, or the end of the present one."""
        self._wake.clear()
        until_s = self._polled_s + self._profile.timing.poll_s
        if self._target is not None:
            until_s = min(until_s, self._target.valid_until_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(max(until_s, _now_s() + 0.001)):
                await self._wake.wait()

    def _turn(self, now_s: float) -> None:
        if self._target is not None and now_s >= self._target.valid_until_s:
            self._target = None
        for module in self._modules.values():
            module.settle(now_s)
        self._drive(now_s)
        if now_s - self._polled_s >= 0.9 * self._profile.timing.poll_s:
            self._polled_s = now_s
            self._poll(now_s)
        self._tell(now_s)

    def _drive(self, now_s: float) -> None:
        orders = self._orders(now_s)
        idle = [module for module in self._modules.values() if not orders.get(module.address)]
        self._switch_off(idle, now_s)
        running = [self._modules[address] for address, current_ma in orders.items() if current_ma]
        for module in running:
            self._run_module(module, orders[module.address], sharing=len(running))

    def _orders(self, now_s: float) -> dict[int, int]:
        target = self._target
        if target is None or target.current_ma == 0:
            return {}
        members = [
            Member(module.address, module.bound_ma, module.most_ma(target.voltage_mv, now_s))
            for module in self._modules.values()
        ]
        return shares(target.current_ma, members)

    def _switch_off(self, modules: Iterable[Module], now_s: float) -> None:
        due = [module for module in modules if self._to_be_switched_off(module, now_s)]
        if not due:
            return
        frames = self._family.all_off() if len(due) == len(self._modules) and self._alone else ()
        if frames:
            self._post(frames, Priority.OFF, "all-off", tuple(due))
        for module in due:
            sent = self._post(self._family.switch(module.address, on=False), Priority.OFF, "switch", (module,))
            if sent:
                module.switched(on=False, now_s=now_s)

    def _to_be_switched_off(self, module: Module, now_s: float) -> bool:
        if module.left_alone(now_s):
            return False
        return module.on or (not module.proven_off(now_s) and module.bound_ma > 0)

    def _run_module(self, module: Module, current_ma: int, *, sharing: int) -> None:
        now_s = _now_s()
        target = self._target
        if target is None:
            return
        if not module.on and not self._ready(module, now_s):
            return
        order = Order(target.voltage_mv, current_ma, sharing + target.others)
        output = self._family.output(module.address, order)
        sent = self._post(output, Priority.SETPOINT, "output", (module,))
        module.ordered(order, now_s, sent=sent)
        if module.confirmed_on(now_s):
            return
        module.switched(on=True, now_s=now_s)
        self._post(self._family.switch(module.address, on=True), Priority.SETPOINT, "switch", (module,))
        # Some models forget their setpoints when they are switched on.
        self._post(output, Priority.SETPOINT, "output-again", (module,))

    def _ready(self, module: Module, now_s: float) -> bool:
        """Proven off and prepared: then it may be switched on."""
        if not module.proven_off(now_s):
            self._switch_off([module], now_s)
            return False
        frames = self._family.prepare(module.address)
        if self._post(frames, Priority.SETPOINT, "prepare", (module,)) and module.prepared_s is None:
            module.prepared_s = now_s
        return module.prepared(now_s)

    def _poll(self, now_s: float) -> None:
        finding = now_s - self._found_s >= FIND_EVERY_S
        for module in self._modules.values():
            if module.left_alone(now_s):
                continue
            if not module.fresh(now_s) and module.bound_ma == 0 and not finding:
                continue
            self._post(self._family.poll(module.address), Priority.READ, "poll", (module,))
            if not module.limits_known:
                self._post(self._family.describe(module.address), Priority.READ, "describe", (module,))
        if finding:
            self._found_s = now_s
            self._find(now_s)

    def _find(self, now_s: float) -> None:
        """Look for more. A frame to all would be heard by a silent module too, and keep it live."""
        everybody = tuple(self._modules.values())
        for address in self._wanted - self._modules.keys():
            self._post(self._family.describe(address), Priority.PROBE, f"find {address}", ())
        if not self._finds or any(module.left_alone(now_s) for module in everybody):
            return
        self._post(self._family.find(), Priority.PROBE, "find", everybody)

    def _post(self, frames: tuple[Frame, ...], priority: Priority, what: str, heard_by: tuple[Module, ...]) -> bool:
        """Whether all were queued. Each is worth sending only until the next turn, which makes it anew."""
        now_s = _now_s()
        address = heard_by[0].address if len(heard_by) == 1 else None
        for module in heard_by:
            module.fed(now_s)
        try:
            for place, frame in enumerate(frames):
                slot = (self.id, address, what, place)
                self._bus.post(frame, priority, within_s=self._profile.timing.poll_s, slot=slot)
        except DeviceError:
            return False
        return True

    # What modules tell.

    def _receive(self, frame: Frame, now_s: float) -> None:
        try:
            told = self._family.read(frame)
        except DeviceError:
            self.garbled += 1
            return
        if told is None:
            return
        if told.count is not None:
            self._counted(told, now_s)
            return
        module = self._modules.get(told.address) or self._found(told.address, now_s)
        if module is not None:
            module.told(told, now_s)

    def _counted(self, told: Told, now_s: float) -> None:
        """The group says how many there are; they have the addresses from 0 on and are asked one by one."""
        if self._finds:
            for address in range(told.count or 0):
                self._found(address, now_s)

    def _found(self, address: int, now_s: float) -> Module | None:
        bounds = self._profile.address
        if not bounds.first <= address <= bounds.last or (not self._finds and address not in self._wanted):
            return None
        if address not in self._modules and len(self._modules) < MOST_MODULES:
            self._adopt(address, now_s)
            self._wake.set()
        return self._modules.get(address)

    def _adopt(self, address: int, now_s: float) -> None:
        if address not in self._modules:
            self._gone.discard(address)
            self._modules[address] = Module(
                address, self._profile, acknowledges=self._family.acknowledges, now_s=now_s
            )

    def _tell(self, now_s: float) -> None:
        for module in self._modules.values():
            state = module.state(now_s)
            health = Health.OK if state in _ANSWERING else Health.LOST
            if self._states.get(module.address) is not health:
                self._states[module.address] = health
                counts = f"{state.value}, counts with {module.bound_ma / 1000:g} A until it is known to be off"
                text = "answers" if health is Health.OK else counts
                self._sink(HealthChanged(f"{self.id}/{module.address}", health, text, now_s))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
