"""Sets up an SECC each time it is found, and reads back that it keeps what it was told."""

from drivers.api import DeviceError, Fault
from drivers.modbus.registers import Registers
from drivers.modbus.scheduler import Urgency
from drivers.profile_schema import DeviceProfile


class Proof:
    """`problems` are for people. The modules' own time-out does not depend on any of it."""

    def __init__(self, registers: Registers, profile: DeviceProfile, *, timeout_ms: int) -> None:
        self._registers, self._profile = registers, profile
        form = profile.watchdog
        fixed_ms = round(form.timeout_s * 1000) if form is not None and form.fixed and form.timeout_s else None
        self.timeout_ms = timeout_ms if fixed_ms is None else fixed_ms
        self._own = form is not None and not form.fixed
        self.problems: tuple[str, ...] = ()

    async def establish(self) -> None:
        """Write what differs. What the SECC refuses is a problem, not a failure.

        Raises:
            DeviceError: it does not answer.
        """
        found: list[str] = []
        for name, raw in self._profile.commission.items():
            found += await self._attempt(name, raw, raw_number=True)
        if self._own:
            found += await self._attempt("comm_timeout", self.timeout_ms, raw_number=False)
        self.problems = tuple(found)

    async def _attempt(self, name: str, value: int, *, raw_number: bool) -> tuple[str, ...]:
        try:
            found = await self._set(name, value, raw_number=raw_number)
        except DeviceError as error:
            if error.fault not in (Fault.REFUSED, Fault.DATA):
                raise
            return (f"{name}: {error}",)
        return () if found in (None, value) else (f"{name} is {found}, not {value}",)

    async def _set(self, name: str, value: int, *, raw_number: bool) -> int | None:
        """What the register shows in the end; None where it cannot be read back."""
        registers = self._registers
        shown = next((one for one in (name, f"{name}_readback") if registers.readable(one)), None)
        read = registers.read_raw if raw_number else registers.read
        write = registers.write_raw if raw_number else registers.write
        if shown is not None and await read(shown, Urgency.FAST) == value:
            return value
        await write(name, value, urgency=Urgency.WRITE)
        return None if shown is None else await read(shown, Urgency.FAST)
