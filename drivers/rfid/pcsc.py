"""A reader behind PC/SC (pcscd): taps to the sink, and found again after it was unplugged."""

import asyncio
import logging
from functools import partial

from drivers.api import DeviceError, Fault, Feedback, Health, HealthChanged, Sink, TokenRead
from drivers.profile import DeviceProfile
from drivers.rfid.pcsc_session import Session, opened
from drivers.rfid.presence import Presence
from drivers.rfid.worker import Worker
from drivers.setups import ReaderSetup

REOPEN_S = 1.0
LOOK_EVERY_S = 0.15
CALL_S = 3.0
"""A call into the library that takes longer is given up."""

_log = logging.getLogger(__name__)


class PcscReader:
    """A `TokenReader`. `setup.port` is the reader's name in pcscd, or a part that no other has.

    While reader or pcscd are missing they are tried again each second; health tells of the changes.
    """

    def __init__(self, setup: ReaderSetup, profile: DeviceProfile, sink: Sink) -> None:
        self._id, self._wanted, self._sink = setup.id, setup.port, sink
        self._reverse_bytes = profile.identity.reverse_bytes
        self._presence = Presence(profile.repeat_s or 0.0)
        self._worker = Worker(f"pcsc-{setup.id}")
        self._free = asyncio.Lock()
        self._session: Session | None = None
        self._health = Health.UNKNOWN

    @property
    def id(self) -> str:
        return self._id

    @property
    def health(self) -> Health:
        return self._health

    async def show(self, feedback: Feedback) -> None:
        async with self._free:
            if self._session is None:
                raise DeviceError(Fault.CLOSED, f"{self._wanted}: the reader is not there")
            await self._worker.call(partial(self._session.show, feedback), CALL_S)

    async def run(self) -> None:
        while True:
            try:
                await self._watch()
            except DeviceError as error:
                self._changed(Health.LOST, str(error))
            await asyncio.sleep(REOPEN_S)

    async def _watch(self) -> None:
        session = await self._worker.call(partial(opened, self._wanted, reverse_bytes=self._reverse_bytes), CALL_S)
        self._session = session
        self._changed(Health.OK, f"{session.name} is there")
        try:
            while True:
                async with self._free:
                    uid = await self._worker.call(session.uid, CALL_S)
                if uid is not None:
                    self._heard(uid)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._session = None
            self._worker.afterwards(session.close)

    def _heard(self, uid: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._presence.arrives(uid, now_s):
            self._sink(TokenRead(self._id, uid, now_s))

    def _changed(self, health: Health, text: str) -> None:
        if health is self._health:
            return
        self._health = health
        _log.log(logging.INFO if health is Health.OK else logging.WARNING, "reader %s: %s", self._id, text)
        self._sink(HealthChanged(self._id, health, text, asyncio.get_running_loop().time()))
