"""A reader behind PC/SC (pcscd), asked for cards again and again."""

import asyncio
from functools import partial

from drivers.api import DeviceError, Fault, Feedback
from drivers.rfid.dialogue import Ears
from drivers.rfid.pcsc_session import Session, opened
from drivers.rfid.worker import Worker

LOOK_EVERY_S = 0.15
CALL_S = 3.0
"""A call into the library that takes longer is given up."""


class PcscSource:
    """A `Source`. `wanted` is the reader's name in pcscd, or a part that no other has.

    An ACR122 takes no question for as long as it blinks, more than a second.
    """

    def __init__(self, name: str, wanted: str, *, reverse_bytes: bool) -> None:
        self._wanted = wanted
        self._reverse_bytes = reverse_bytes
        self._worker = Worker(f"pcsc-{name}")
        self._free = asyncio.Lock()
        self._session: Session | None = None

    async def show(self, feedback: Feedback) -> None:
        async with self._free:
            if self._session is None:
                raise DeviceError(Fault.CLOSED, f"{self._wanted}: the reader is not there")
            await self._worker.call(partial(self._session.show, feedback), CALL_S)

    async def attend(self, ears: Ears) -> None:
        session = await self._worker.call(
            partial(opened, self._wanted, reverse_bytes=self._reverse_bytes), CALL_S, unwanted=Session.close
        )
        self._session = session
        ears.ready(f"{session.name} is there")
        try:
            while True:
                async with self._free:
                    uid = await self._worker.call(session.uid, CALL_S)
                if uid is None:
                    ears.nothing()
                else:
                    ears.heard(uid)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._session = None
            self._worker.afterwards(session.close)
