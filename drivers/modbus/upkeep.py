"""Keeps the proof of a charger's fall-back (R1): renewed when it breaks, asked for again where it was refused."""

from collections.abc import Callable

from drivers.api import DeviceError
from drivers.modbus.commissioning import Commissioning, Proof
from drivers.modbus.scheduler import Urgency

LONGEST_WAIT = 360
"""Checks between two attempts at most. One check is made each 10 s: the pauses are 10, 20, 40 s ... an hour.

A device that never keeps what it is sent is not worn out so: an EEPROM bears 100,000 writes, ten years have fewer
hours.
"""


class Upkeep:
    def __init__(self, commissioning: Commissioning, *, told: Callable[[], None]) -> None:
        self.proof = Proof(commissioning.timeout_s, verified=False)
        self._commissioning = commissioning
        self._told = told
        """Called whenever `check` found other problems than those known."""
        self._wait = 1
        self._until_retry = 1

    def lost(self) -> None:
        """Nothing is proven of a device that could not be set up, or that nobody serves."""
        self.proof = Proof(self.proof.timeout_s, verified=False)

    async def found(self) -> None:
        """Until then what was proven before still stands: R1 needs it most while the device does not answer.

        Raises:
            DeviceError: as `Commissioning.write`.
        """
        try:
            self.proof = await self._commissioning.write()
        except DeviceError:
            self.lost()
            raise
        self._wait = self._until_retry = 1

    async def check(self) -> None:
        """Each 10 s, the first time at once after it was found.

        Raises:
            DeviceError: as `Commissioning.write`.
        """
        before = self.proof
        proof = await self._commissioning.check()
        if proof.failed - before.failed:
            # It may have restarted between two polls: all of it.
            proof = await self._commissioning.write(Urgency.FAST)
            self._wait = self._until_retry = 1
        elif proof.failed:
            proof = await self._retry(proof)
        self.proof = proof
        if proof.problems != before.problems:
            self._told()

    async def _retry(self, proof: Proof) -> Proof:
        if self._until_retry > 0:
            self._until_retry -= 1
            return proof
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._until_retry = self._wait - 1
        return await self._commissioning.write_again(proof.failed)
