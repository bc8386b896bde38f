"""A DC outlet as an `Evse` (R14): its SECC asks, its modules deliver what the output rule allows (R9)."""

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass, replace

from drivers.api import (
    Capabilities,
    DeviceError,
    EvseRead,
    EvseReading,
    FallBack,
    Fault,
    Health,
    HealthChanged,
    Setpoint,
    Sink,
)
from drivers.can.module import LAST_CHANCE_S
from drivers.dc.demand import Stage
from drivers.dc.feeding import Feeding
from drivers.dc.held import Held, Runaway, flowing
from drivers.dc.matrix import Need
from drivers.dc.orders import Order, Orders
from drivers.dc.rule import Bounds, Grant, Heard, Output, Refused, output
from drivers.dc.secc import Secc
from drivers.dc.supply import ModuleSupply
from drivers.dc.watts import ac_ma, granted_w
from drivers.modbus.reading import Image, evse_reading
from drivers.setups import DcSetup

STEP_MA = 100
LOOK_S = 0.25
RAN_AWAY = "its power modules cannot be switched off: the SECC was told to end the session"


@dataclass(slots=True)
class Wish:
    """The newest setpoint, as watts; the release follows when the SECC acknowledges it."""

    power_w: int
    enabled: bool
    valid_until_s: float


class DcOutlet:
    """`run` beside its SECC's and its modules' own tasks; all else is called in the same loop."""

    def __init__(self, setup: DcSetup, secc: Secc, supply: ModuleSupply, *, sink: Sink) -> None:
        self._setup, self._secc, self._supply, self._sink = setup, secc, supply, sink
        self._wish: Wish | None = None
        self._result: Output | Refused = Refused("the SECC was not heard yet")
        self._trouble: str | None = None
        self._latest: EvseReading | None = None
        self._state: tuple[Health, str] = (Health.UNKNOWN, "")
        self._secc_text = ""
        self._running = False
        self._runaway = Runaway(LAST_CHANCE_S)
        self._wake = asyncio.Event()
        self._orders = Orders(setup.id, secc, self)
        self._feeding = Feeding(secc, self)
        secc.attach(self)

    @property
    def id(self) -> str:
        return self._setup.id

    @property
    def capabilities(self) -> Capabilities:
        registers = self._secc.profile.registers
        settle_s = [stack.model.profile.timing.settle_s for stack in self._supply.possible]
        return Capabilities(
            power=True,
            step_ma=STEP_MA,
            latency_s=max(settle_s, default=0.0) + 1.0,
            meter="energy_import_total" in registers,
            reader="rfid_tag" in registers,
            lock=True,
        )

    @property
    def fall_back(self) -> FallBack:
        """Modules switch off by themselves when nobody speaks to them; the SECC's own watchdog comes on top."""
        stacks = self._supply.connected or self._supply.possible
        times = [stack.switches_off_s for stack in stacks]
        known = [limit_s for limit_s in times if limit_s is not None]
        all_known = bool(known) and len(known) == len(times)
        return FallBack(
            watchdog_timeout_s=max(known) if all_known else None,
            failsafe_ma=0,
            verified=all_known and all(stack.group.heard for stack in stacks),
            holds_last=False,
            power_up_ma=0,
        )

    @property
    def health(self) -> Health:
        return self._state[0]

    @property
    def latest(self) -> EvseReading | None:
        return self._latest

    async def apply(self, setpoint: Setpoint) -> None:
        if not self._running:
            raise DeviceError(Fault.CLOSED, f"{self.id}: not running")
        if setpoint.valid_until_s <= time.monotonic():
            raise DeviceError(Fault.REFUSED, f"{self.id}: the setpoint has expired")
        self._wish = Wish(granted_w(setpoint, self._setup), setpoint.enabled, setpoint.valid_until_s)
        self.steer()
        self._wake.set()
        if self._secc.health is not Health.OK:
            self._orders.supersede()
            raise DeviceError(Fault.TIMEOUT, f"{self.id}: the SECC does not answer; its modules are kept off")
        await self._orders.obey(Order(self._wish.power_w, self._wish.enabled))

    async def read_now(self) -> EvseReading:
        await self._secc.read_now()
        if self._latest is None or self._latest.state is None:
            raise DeviceError(Fault.DATA, f"{self.id}: its state is not believable")
        return self._latest

    async def run(self) -> None:
        """Until cancelled; then its modules are switched off."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._orders.run())
                tasks.create_task(self._feeding.run())
        finally:
            self._running = False
            self._wish = None
            self._supply.stop()
            self._orders.close()

    # What may be delivered, decided anew with every word of the SECC or the controller.

    def steer(self) -> None:
        """Aim the modules at what is allowed now; at nothing in this very turn of the loop where nothing is."""
        now_s = time.monotonic()
        result = output(self._heard(), self._grant(), self._bounds(), now_s=now_s)
        self._result, self._trouble = result, None
        if isinstance(result, Refused) or not self._running:
            self._supply.stop()
        elif self._supply.deliver(result) == 0 and result.current_ma > 0:
            self._trouble = self._helpless(result)

    def _helpless(self, result: Output) -> str:
        text = f"no power module can deliver at {result.voltage_mv / 1000:g} V"
        return "; ".join((text, *self._supply.troubles()))

    def _heard(self) -> Heard:
        return Heard(self._secc.demand, self._secc.pulse.moved_s)

    def _grant(self) -> Grant | None:
        wish = self._wish
        if wish is None:
            return None
        return Grant(wish.power_w, wish.valid_until_s, wish.enabled and self._secc.released)

    def _bounds(self) -> Bounds:
        supply, reach = self._secc.supply, self._supply.reach()
        return Bounds(supply.stale_s, supply.prepare_current_ma, reach.lowest_mv, reach.highest_mv, reach.most_ma)

    async def _watch(self) -> None:
        """What runs out does so without a word of anybody."""
        while True:
            self._wake.clear()
            self.steer()
            self._look_after_held()
            self._tell_health()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_s()):
                    await self._wake.wait()

    def _look_after_held(self) -> None:
        wanted_ma = self._result.current_ma if isinstance(self._result, Output) else 0
        held, measured = self._supply.delivered().held, self.measured
        flowing_ma = held.current_ma if measured is None else min(held.current_ma, measured[1])
        self._runaway.look(held, flowing_ma, wanted_ma, time.monotonic())

    def _next_s(self) -> float:
        now_s = time.monotonic()
        until_s = self._result.valid_until_s if isinstance(self._result, Output) else math.inf
        return max(now_s + 0.001, min(now_s + LOOK_S, until_s))

    # What the SECC tells.

    def seen(self, image: Image) -> None:
        self.steer()
        self._latest = reading = self._reading(image)
        self._sink(EvseRead(self.id, reading))

    def secc_changed(self, health: Health, text: str) -> None:
        self._secc_text = text
        self.steer()
        self._tell_health()

    def _reading(self, image: Image) -> EvseReading:
        reading = evse_reading(self._secc.profile, image)
        demand, delivered = self._secc.demand, self._supply.delivered()
        power_w = reading.power_w
        if power_w is None and demand is not None and None not in (demand.measured_mv, demand.measured_ma):
            power_w = (demand.measured_mv or 0) * (demand.measured_ma or 0) // 1_000_000
        return replace(
            reading,
            power_w=power_w,
            current_ma=ac_ma(max(power_w or 0, delivered.most_w), self._setup),
            error=reading.error or self._error(),
        )

    def _error(self) -> str | None:
        if self._runaway.found:
            return "; ".join((RAN_AWAY, *self._supply.troubles()))
        if isinstance(self._result, Refused):
            return self._result.text if self._result.fault else None
        return self._trouble

    def _tell_health(self) -> None:
        state = self._secc.health, self._secc_text
        silent = [stack.wire.id for stack in self._supply.connected if stack.wire.health is Health.LOST]
        if silent and state[0] is Health.OK:
            state = Health.LOST, f"CAN bus {silent[0]} is lost; its modules switch off by themselves if they can"
        if state != self._state and state[0] is not Health.UNKNOWN:
            self._state = state
            self._sink(HealthChanged(self.id, *state, time.monotonic()))

    # What the mover asks.

    @property
    def voltage_mv(self) -> int | None:
        """What the SECC asks for, while it asks."""
        demand = self._secc.demand
        asks = demand is not None and self._fresh() and demand.requested
        return demand.target_mv or None if asks and demand is not None else None

    def need(self) -> Need:
        """What it would deliver with enough modules; one module is kept ready while a session is released."""
        demand, grant = self._secc.demand, self._grant()
        if demand is None or grant is None or not self._fresh():
            return Need(self.id, 0)
        if not grant.released or grant.power_w == 0 or time.monotonic() >= grant.valid_until_s:
            return Need(self.id, 0)
        plugged = self._latest is not None and bool(self._latest.plugged)
        if demand.requested and demand.stage is Stage.CHARGING:
            asked_w = (demand.target_mv or 0) * (demand.target_ma or 0) // 1_000_000
            return Need(self.id, max(1, min(grant.power_w, asked_w)))
        return Need(self.id, 1 if plugged or demand.requested else 0)

    def _fresh(self) -> bool:
        heard, now_s = self._heard(), time.monotonic()
        if heard.demand is None or heard.moved_s is None:
            return False
        return now_s < min(heard.demand.t_s, heard.moved_s) + self._secc.supply.stale_s

    # What its orders and its feeding ask.

    @property
    def commanded(self) -> bool:
        """Whether a setpoint is valid now: only then the SECC's watchdog is fed."""
        return self._wish is not None and time.monotonic() < self._wish.valid_until_s

    @property
    def expired(self) -> bool:
        """Whether the last setpoint has run out."""
        return self._wish is not None and not self.commanded

    @property
    def ran_away(self) -> bool:
        """Whether only the SECC can end what its modules deliver."""
        return self._runaway.found

    @property
    def measured(self) -> tuple[int, int] | None:
        """Voltage and current as the SECC measures them; None: it does not tell them, or nothing lately."""
        demand = self._secc.demand
        if demand is None or not self._fresh() or demand.measured_mv is None or demand.measured_ma is None:
            return None
        return demand.measured_mv, demand.measured_ma

    def flowing(self) -> Held:
        """What flows into the vehicle whatever is ordered."""
        return flowing(self._supply.delivered().held, self._secc.demand if self._fresh() else None)

    @property
    def supply(self) -> ModuleSupply:
        return self._supply

    @property
    def latency_s(self) -> float:
        return self.capabilities.latency_s

    def order_mv(self) -> int:
        """The highest voltage at which the modules may be delivering now."""
        if isinstance(self._result, Output):
            return self._result.voltage_mv
        return self._supply.delivered().voltage_mv or self._supply.reach().highest_mv
