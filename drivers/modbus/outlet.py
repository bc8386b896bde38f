"""What an outlet holds, as far as it is known, and the writes that make it hold something else."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence

from drivers.api import DeviceError, Fault
from drivers.modbus import codec
from drivers.modbus.reading import Image
from drivers.modbus.registers import Registers
from drivers.modbus.scheduler import Urgency
from drivers.modbus.setpoints import Step, Target, kept, pause, steps
from drivers.profile_schema import CurrentSetpoint, DeviceProfile

READ_AGAIN_S = 0.1
GRACE_S = 0.5

Superseded = Callable[[], bool]
"""Whether a newer setpoint waits."""


class Outlet:
    def __init__(self, registers: Registers, profile: DeviceProfile, form: CurrentSetpoint) -> None:
        self._registers, self._profile, self._form = registers, profile, form
        self._held: dict[str, int] = {}
        """Value of each kind of step that the outlet was seen to take; missing: unknown."""
        self._most_ma: int | None = None
        """The most that it may hold by what was written; None: nothing is known."""
        self._raised_s = -math.inf
        """When the current was last raised (R12)."""
        self._changed_s: dict[str, float] = {}

    def forget(self) -> None:
        """The device may have restarted: nothing is known of what it holds."""
        self._held.clear()
        self._most_ma = None
        self._raised_s = -math.inf

    def seen(self, image: Image) -> None:
        """Forget what a poll contradicts, so that an equal setpoint is written again."""
        for what in tuple(self._held):
            name = self._readback(what)
            sample = image.get(name or "")
            if name is None or sample is None or sample.t_s < self._settled_s(what):
                continue
            found = _number(sample.point, sample.words, raw=what == "enable")
            step = Step("enable" if what == "enable" else "current", self._held[what])
            if found is not None and not kept(step, found, same_register=name == self._name(what)):
                del self._held[what]
                if what == "current":
                    self._most_ma = max(found, self._most_ma or 0)

    def _settled_s(self, what: str) -> float:
        return self._changed_s.get(what, 0.0) + self._form.latency_s + GRACE_S

    async def hold(self, wanted: Target, *, superseded: Superseded, heard: bool = True) -> None:
        """Return once the outlet holds the target; what it holds already is not written (R12).

        `heard` False: it does not answer, but may hear.

        Raises:
            DeviceError: nothing may be concluded about what it holds.
        """
        plan = self._missing(wanted)
        if not all(self._reduces(step) for step in plan):
            await self._learn(Urgency.WRITE)
            plan = self._missing(wanted)
        self._spare_eeprom(plan)
        if all(self._reduces(step) for step in plan):
            await self._reduce(plan, superseded=superseded, heard=heard)
            return
        for step in plan:
            await self._write(step, Urgency.SAFETY if self._reduces(step) else Urgency.WRITE)
            await self._confirm(step, superseded=superseded)

    async def fall_back(self, failsafe_ma: int, *, superseded: Superseded) -> None:
        """Hold the fail-safe current or less, the release as it is.

        Raises:
            DeviceError: as `hold`.
        """
        current_ma = min(failsafe_ma, await self._known_ma(failsafe_ma))
        low = current_ma < self._form.min_ma
        plan = pause(self._profile, self._form) if low else (Step("current", current_ma),)
        await self._reduce(plan, superseded=superseded)

    async def renew(self) -> None:
        """Write the held current once more, for a model whose setpoint runs out.

        Raises:
            DeviceError: not acknowledged.
        """
        if "current" in self._held:
            await self._registers.write("current_limit", self._held["current"], urgency=Urgency.WRITE)

    def _missing(self, wanted: Target) -> Sequence[Step]:
        planned = steps(wanted, self._profile, self._form)
        return [step for step in planned if self._held.get(step.what) != step.value]

    async def _learn(self, urgency: Urgency) -> None:
        """An EEPROM setpoint that the device holds already is not written again after it was found anew.

        A setpoint that it refuses to tell, or that cannot be one, is written over.

        Raises:
            DeviceError: not answered.
        """
        if self._form.volatile or "current" in self._held or not self._registers.readable("current_limit"):
            return
        try:
            self._held["current"] = self._most_ma = await self._registers.read("current_limit", urgency)
        except DeviceError as error:
            if error.fault not in (Fault.REFUSED, Fault.DATA):
                raise

    async def _known_ma(self, otherwise_ma: int) -> int:
        if "current" in self._held:
            return self._held["current"]
        if not self._registers.readable("current_limit"):
            return otherwise_ma
        try:
            return await self._registers.read("current_limit", Urgency.SAFETY)
        except DeviceError as error:
            if error.fault not in (Fault.REFUSED, Fault.DATA):
                raise
            return otherwise_ma

    def _spare_eeprom(self, plan: Sequence[Step]) -> None:
        wait_s = self._raised_s + self._form.raise_interval_s - time.monotonic()
        if wait_s > 0 and any(self._raises(step) for step in plan):
            raise DeviceError(Fault.REFUSED, f"EEPROM: raised again in {wait_s:.0f} s at the earliest")

    def _raises(self, step: Step) -> bool:
        if step.what != "current" or step.value < self._form.min_ma:
            return False
        return self._most_ma is None or step.value > self._most_ma

    def _reduces(self, step: Step) -> bool:
        """Whether the step lowers the most that the outlet may be offering."""
        if step.what == "enable":
            return self._profile.enable is not None and step.value == self._profile.enable.off
        return step.value < max(self._form.min_ma, self._held.get("current", self._most_ma or 0))

    async def _reduce(self, plan: Sequence[Step], *, superseded: Superseded, heard: bool = True) -> None:
        """Every step is tried, whatever became of the others, before any is read back.

        Where the outlet is not heard one miss is enough: the others on its wire wait for it meanwhile.
        """
        refused: DeviceError | None = None
        written = []
        for step in plan:
            try:
                if await self._lower(step, heard=heard):
                    written.append(step)
            except DeviceError as error:
                refused = error
                if not heard and error.fault is Fault.TIMEOUT:
                    break
        for step in written:
            await self._confirm(step, superseded=superseded)
        if refused is not None:
            raise refused

    async def _lower(self, step: Step, *, heard: bool) -> bool:
        """Whether it was written; an EEPROM that holds it is spared, but what it holds is not waited for."""
        if step.what == "current" and heard:
            with contextlib.suppress(DeviceError):
                await self._learn(Urgency.SAFETY)
            if not self._form.volatile and not self._is_worth_a_write(step):
                return False
        await self._write(step, Urgency.SAFETY)
        return True

    def _is_worth_a_write(self, step: Step) -> bool:
        held_ma = self._held.get("current")
        if held_ma is not None and held_ma < step.value:
            self._spare_eeprom((step,))  # it holds less than it was feared to
        return held_ma != step.value

    async def _write(self, step: Step, urgency: Urgency) -> None:
        self._held.pop(step.what, None)
        if step.what == "current":
            await self._write_current(step, urgency)
        else:
            await self._registers.write_raw(self._name(step.what), step.value, urgency=urgency)
        self._changed_s[step.what] = time.monotonic()

    async def _write_current(self, step: Step, urgency: Urgency) -> None:
        before = self._most_ma, self._raised_s
        if self._raises(step):
            self._raised_s = time.monotonic()
        self._most_ma = max(step.value, self._most_ma or 0)
        try:
            await self._registers.write("current_limit", step.value, urgency=urgency)
        except DeviceError as error:
            if error.fault is Fault.REFUSED:
                self._most_ma, self._raised_s = before  # nothing was stored
            raise

    async def _confirm(self, step: Step, *, superseded: Superseded) -> None:
        name = self._readback(step.what)
        deadline_s = time.monotonic() + self._form.latency_s + GRACE_S
        read = self._registers.read_raw if step.what == "enable" else self._registers.read
        while name is not None:
            found = await read(name, Urgency.WRITE)
            if kept(step, found, same_register=name == self._name(step.what)):
                break
            if superseded():
                raise DeviceError(Fault.REFUSED, "superseded")
            if time.monotonic() > deadline_s:
                raise DeviceError(Fault.REFUSED, f"{name} is {found}, not {step.value}")
            await asyncio.sleep(READ_AGAIN_S)
        self._held[step.what] = step.value
        if step.what == "current":
            self._most_ma = step.value
        if superseded():
            raise DeviceError(Fault.REFUSED, "superseded")

    def _name(self, what: str) -> str:
        enable = self._profile.enable
        return enable.register_ if what == "enable" and enable is not None else "current_limit"

    def _readback(self, what: str) -> str | None:
        """The register that shows what was written, or None."""
        enable = self._profile.enable
        shown = enable.readback if what == "enable" and enable is not None else "current_limit_readback"
        names = (self._name(what), shown)
        return next((name for name in names if name is not None and self._registers.readable(name)), None)


def _number(point: codec.Point, words: tuple[int, ...], *, raw: bool) -> int | None:
    found = codec.raw(point, words) if raw else codec.value(point, words)
    return found if isinstance(found, int) else None
