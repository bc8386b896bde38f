"""An RFID reader of any kind: taps to the sink, and found again after it was lost."""

import asyncio
import logging
from functools import partial
from typing import Protocol

from drivers.api import DeviceError, Feedback, Health, HealthChanged, Sink, TokenRead
from drivers.rfid.dialogue import Ears
from drivers.rfid.presence import Presence

REOPEN_S = 1.0

_log = logging.getLogger(__name__)


class Source(Protocol):
    """What differs between kinds of readers."""

    async def attend(self, ears: Ears) -> None:
        """Open the reader and tell what it sees until it fails; nothing is open afterwards.

        Raises:
            DeviceError: it is not there, or does not answer any more.
        """

    async def show(self, feedback: Feedback) -> None:
        """Light or sound, where the reader has one; otherwise nothing.

        Raises:
            DeviceError: the reader is not there, or refuses.
        """


class Reader:
    """A `TokenReader`. A card held to it is one tap, until looks without it went on for `repeat_s`.

    While it is missing or silent it is tried again each second; health tells of the changes, and of another reason.
    """

    def __init__(self, name: str, source: Source, *, repeat_s: float, sink: Sink) -> None:
        self._id, self._source, self._sink = name, source, sink
        self._presence = Presence(repeat_s)
        self._told = (Health.UNKNOWN, "")

    @property
    def id(self) -> str:
        return self._id

    @property
    def health(self) -> Health:
        return self._told[0]

    async def show(self, feedback: Feedback) -> None:
        await self._source.show(feedback)

    async def run(self) -> None:
        ears = Ears(ready=partial(self._tell, Health.OK), heard=self._heard, nothing=self._nothing)
        while True:
            try:
                await self._source.attend(ears)
            except DeviceError as error:
                self._tell(Health.LOST, str(error))
            await asyncio.sleep(REOPEN_S)

    def _heard(self, uid: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._presence.arrives(uid, now_s):
            self._sink(TokenRead(self._id, uid, now_s))

    def _nothing(self) -> None:
        self._presence.nothing_else(asyncio.get_running_loop().time())

    def _tell(self, health: Health, text: str) -> None:
        if (health, text) == self._told:
            return
        self._told = (health, text)
        _log.log(logging.INFO if health is Health.OK else logging.WARNING, "reader %s: %s", self._id, text)
        self._sink(HealthChanged(self._id, health, text, asyncio.get_running_loop().time()))
