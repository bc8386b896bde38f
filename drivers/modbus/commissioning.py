"""Sets up a charger each time it is found, and proves by reading back what it will do on its own (R1)."""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from drivers.api import DeviceError, Fault
from drivers.modbus.codec import floor_to_grid
from drivers.modbus.registers import Registers
from drivers.modbus.scheduler import Urgency
from drivers.profile_schema import DeviceProfile
from drivers.setups import EvseSetup

TRIES = 2


@dataclass(frozen=True, slots=True)
class Proof:
    """`verified`: timeout and fail-safe current are as wanted, read back. `problems` are for people.

    `failed`: registers that do not hold what they should, where another write may help.
    """

    timeout_s: float | None
    verified: bool
    problems: tuple[str, ...] = ()
    failed: frozenset[str] = frozenset()


class Commissioning:
    def __init__(self, registers: Registers, profile: DeviceProfile, setup: EvseSetup) -> None:
        self._registers, self._profile, self._setup = registers, profile, setup
        self._urgency = Urgency.SLOW
        self._to_write: Container[str] = ()
        self._problems: list[str] = []
        self._failed: set[str] = set()
        self._refused: dict[str, str] = {}
        """Writes that were not acknowledged, and why: all that is known of a register that cannot be read back."""

    @property
    def timeout_s(self) -> float | None:
        """The watchdog's timeout that is written, or that the model has; None without a watchdog."""
        form = self._profile.watchdog
        if form is None:
            return None
        return form.timeout_s if form.fixed else self._setup.watchdog_timeout_s

    async def write(self, urgency: Urgency = Urgency.SLOW) -> Proof:
        """Write what differs, fail-safe current before the watchdog that makes it count, and read it all back.

        Raises:
            DeviceError: TIMEOUT or CLOSED. What the device refuses, or keeps otherwise, is a problem of the proof.
        """
        self._refused.clear()
        return await self._go_through(self._profile.registers, urgency)

    async def write_again(self, names: frozenset[str]) -> Proof:
        """As `write`, but of these registers only, so that the memory of the others is spared (R12)."""
        return await self._go_through(names, Urgency.FAST)

    async def check(self) -> Proof:
        """As `write`, without writing. The few reads go with the fast ones: the outlet's polling waits for them."""
        return await self._go_through((), Urgency.FAST)

    async def _go_through(self, to_write: Container[str], urgency: Urgency) -> Proof:
        self._to_write, self._urgency = to_write, urgency
        self._problems.clear()
        self._failed.clear()
        for name, raw in self._profile.commission.items():
            await self._set_raw(name, raw)
        failsafe = await self._set("failsafe_current", self._failsafe_ma())
        timeout = await self._prove_timeout()
        return Proof(
            self.timeout_s,
            verified=failsafe and timeout,
            problems=tuple(self._problems),
            failed=frozenset(self._failed),
        )

    async def _prove_timeout(self) -> bool:
        form, name = self._profile.watchdog, "comm_timeout"
        if form is None or self.timeout_s is None:
            return False
        timeout_ms = round(self.timeout_s * 1000)
        if not form.fixed:
            return await self._set(name, timeout_ms)
        if self._registers.readable("comm_remaining"):
            return self._record(name, await self._insist(name, lambda: self._exceeds("comm_remaining", timeout_ms)))
        shown = self._readback(name)
        return shown is None or self._record(
            name, await self._insist(name, lambda: self._differs(shown, timeout_ms))
        )

    def _failsafe_ma(self) -> int:
        if "failsafe_current" not in self._profile.registers:
            return self._setup.failsafe_ma
        return floor_to_grid(self._registers.point("failsafe_current"), self._setup.failsafe_ma)

    def _readback(self, name: str) -> str | None:
        names = (name, f"{name}_readback")
        return next((shown for shown in names if self._registers.readable(shown)), None)

    async def _set(self, name: str, value: int) -> bool:
        """Whether the register is proven to hold the value; an equal one is not written again (R12)."""
        shown = self._readback(name)

        async def put() -> str | None:
            if shown == name and await self._registers.read(name, self._urgency) == value:
                return None
            if name in self._to_write and self._writable(name):
                await self._registers.write(name, value, urgency=Urgency.WRITE)
                self._refused.pop(name, None)
            return None if shown is None else await self._differs(shown, value)

        fault = await self._insist(name, put)
        if shown is None and fault is None:
            fault = self._refused.get(name) or self._unproven(name)
        return self._record(name, fault) and shown is not None

    async def _differs(self, shown: str, value: int) -> str | None:
        found = await self._registers.read(shown, self._urgency)
        return None if found == value else f"{shown} is {found}, not {value}"

    async def _exceeds(self, shown: str, most: int) -> str | None:
        """A timer that counts down was set longer than the model's timeout if it ever shows more."""
        found = await self._registers.read(shown, self._urgency)
        return None if found <= most else f"{shown} is {found}, above {most}: set the timeout in the charger"

    async def _set_raw(self, name: str, raw: int) -> None:
        async def put() -> str | None:
            found = await self._registers.read_raw(name, self._urgency)
            if found != raw and name in self._to_write:
                await self._registers.write_raw(name, raw, urgency=Urgency.WRITE)
                self._refused.pop(name, None)
                found = await self._registers.read_raw(name, self._urgency)
            return None if found == raw else f"{name} is {found}, not {raw}"

        self._record(name, await self._insist(name, put))

    async def _insist(self, name: str, put: Callable[[], Awaitable[str | None]]) -> str | None:
        """A device refuses now and then for no lasting reason: what it refuses is tried a second time at once."""
        for _ in range(TRIES):
            try:
                return await put()
            except DeviceError as error:
                if error.fault not in (Fault.REFUSED, Fault.DATA):
                    raise
                fault = f"{name}: {error}"
        if name in self._to_write:
            self._refused[name] = fault
        return fault

    def _record(self, name: str, fault: str | None) -> bool:
        """Whether there is no fault. While a refused write waits to be repeated its text stays the same."""
        if fault is None:
            self._refused.pop(name, None)
            return True
        self._problems.append(self._refused.get(name, fault))
        if self._writable(name) and (self._readback(name) is not None or name in self._refused):
            self._failed.add(name)  # what is acknowledged but cannot be read back gains nothing by another write
        return False

    def _unproven(self, name: str) -> str | None:
        return None if self._profile.watchdog is None else f"{name} cannot be read back"

    def _writable(self, name: str) -> bool:
        register = self._profile.registers.get(name)
        return register is not None and register.writable
