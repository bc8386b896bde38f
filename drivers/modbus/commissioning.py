"""Sets up a charger each time it is found, and proves by reading back what it will do on its own (R1)."""

from dataclasses import dataclass, field

from drivers.api import DeviceError, EvseSetup, Fault
from drivers.modbus.codec import floor_to_grid
from drivers.modbus.registers import Registers
from drivers.modbus.scheduler import Urgency
from drivers.profile_schema import DeviceProfile


@dataclass(frozen=True, slots=True)
class Proof:
    """`verified`: timeout and fail-safe current are as wanted, read back. `problems` are for people."""

    timeout_s: float | None
    verified: bool
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Commissioning:
    registers: Registers
    profile: DeviceProfile
    setup: EvseSetup
    problems: list[str] = field(default_factory=list)

    @property
    def timeout_s(self) -> float | None:
        """The watchdog's timeout that is written, or that the model has; None without a watchdog."""
        form = self.profile.watchdog
        if form is None:
            return None
        return form.timeout_s if form.fixed else self.setup.watchdog_timeout_s

    async def write(self) -> Proof:
        """Write what differs, fail-safe current before the watchdog that makes it count, and read it all back.

        Raises:
            DeviceError: TIMEOUT or CLOSED. What the device refuses, or keeps otherwise, is a problem of the proof.
        """
        self.problems.clear()
        for name, raw in self.profile.commission.items():
            await self._set_raw(name, raw)
        failsafe = await self._set("failsafe_current", self._failsafe_ma(), write=True)
        return await self._prove(failsafe, write=True)

    async def check(self) -> Proof:
        """As `write`, without writing."""
        self.problems.clear()
        return await self._prove(await self._set("failsafe_current", self._failsafe_ma(), write=False), write=False)

    async def _prove(self, failsafe: bool, *, write: bool) -> Proof:
        form = self.profile.watchdog
        if form is None or self.timeout_s is None:
            return Proof(None, verified=False, problems=tuple(self.problems))
        timeout_ms = round(self.timeout_s * 1000)
        if form.fixed:
            shown = self._readback("comm_timeout")
            timeout = shown is None or await self._set("comm_timeout", timeout_ms, write=False)
        else:
            timeout = await self._set("comm_timeout", timeout_ms, write=write)
        return Proof(self.timeout_s, verified=failsafe and timeout, problems=tuple(self.problems))

    def _failsafe_ma(self) -> int:
        if "failsafe_current" not in self.profile.registers:
            return self.setup.failsafe_ma
        return floor_to_grid(self.registers.point("failsafe_current"), self.setup.failsafe_ma)

    def _readback(self, name: str) -> str | None:
        names = (name, f"{name}_readback")
        return next((shown for shown in names if self.registers.readable(shown)), None)

    async def _set(self, name: str, value: int, *, write: bool) -> bool:
        """Whether the register is proven to hold the value; an equal one is not written again (R12)."""
        shown = self._readback(name)
        try:
            if shown == name and await self.registers.read(name, Urgency.SLOW) == value:
                return True
            register = self.profile.registers.get(name)
            if write and register is not None and register.writable:
                await self.registers.write(name, value, urgency=Urgency.WRITE)
            if shown is None:
                self._note_unproven(name)
                return False
            found = await self.registers.read(shown, Urgency.SLOW)
        except DeviceError as error:
            self._note(name, error)
            return False
        if found != value:
            self.problems.append(f"{shown} is {found}, not {value}")
        return found == value

    async def _set_raw(self, name: str, raw: int) -> None:
        try:
            if await self.registers.read_raw(name, Urgency.SLOW) == raw:
                return
            await self.registers.write_raw(name, raw, urgency=Urgency.WRITE)
            found = await self.registers.read_raw(name, Urgency.SLOW)
        except DeviceError as error:
            self._note(name, error)
            return
        if found != raw:
            self.problems.append(f"{name} is {found}, not {raw}")

    def _note_unproven(self, name: str) -> None:
        if self.profile.watchdog is not None:
            self.problems.append(f"{name} cannot be read back")

    def _note(self, name: str, error: DeviceError) -> None:
        if error.fault not in (Fault.REFUSED, Fault.DATA):
            raise error
        self.problems.append(f"{name}: {error}")
