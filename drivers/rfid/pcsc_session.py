"""One reader behind PC/SC, by `smartcard.scard` of pyscard: blocking calls, for a thread of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from drivers.api import DeviceError, Fault, Feedback
from drivers.rfid.acr122 import order_for
from drivers.rfid.tokens import turned, uid_of

LIBRARY = "smartcard.scard"
GET_UID = (0xFF, 0xCA, 0x00, 0x00, 0x00)
"""GET DATA of PC/SC part 3: the UID of the card."""
DONE = 0x90
"""First byte of the status of a command that was carried out."""
ESCAPE = 1
"""Number of the control code by which pcscd hands bytes to the reader itself, where its driver allows it."""


@dataclass(slots=True)
class Session:
    """What is open. Every method blocks; DeviceError CLOSED says that reader or service are gone."""

    scard: ModuleType
    context: object
    name: str
    reverse_bytes: bool

    def uid(self) -> str | None:
        """UID of the card that lies there; None for no card, or one that does not tell it."""
        scard = self.scard
        result, states = scard.SCardGetStatusChange(self.context, 0, [(self.name, scard.SCARD_STATE_UNAWARE)])
        if result == scard.SCARD_E_TIMEOUT:
            return None
        self._check(result)
        state = states[0][1]
        if state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
            raise DeviceError(Fault.CLOSED, f"{self.name}: it was unplugged")
        if not state & scard.SCARD_STATE_PRESENT or state & scard.SCARD_STATE_MUTE:
            return None
        answer = self._ask_card(GET_UID)
        return None if answer is None else uid_in(answer, reverse_bytes=self.reverse_bytes)

    def show(self, feedback: Feedback) -> None:
        """By light and sound, where this reader's are known; otherwise nothing.

        Raises:
            DeviceError: REFUSED, the reader does not take it.
        """
        order = order_for(self.name, feedback)
        if order is None:
            return
        answer = self._ask_card(order)
        if answer is None:
            answer = self._ask_reader(order)
        if answer[-2:-1] != bytes([DONE]):
            raise DeviceError(Fault.REFUSED, f"{self.name}: refuses to show it: {answer.hex().upper()}")

    def close(self) -> None:
        self.scard.SCardReleaseContext(self.context)

    def _ask_card(self, order: Sequence[int]) -> bytes | None:
        """The answer of the card, or of the reader in its stead; None where no card can be had."""
        scard = self.scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, card, protocol = scard.SCardConnect(self.context, self.name, scard.SCARD_SHARE_SHARED, protocols)
        if result != scard.SCARD_S_SUCCESS:
            self._excuse(result)
            return None
        try:
            result, answer = scard.SCardTransmit(card, protocol, list(order))
        finally:
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
        if result != scard.SCARD_S_SUCCESS:
            self._excuse(result)
            return None
        return bytes(answer)

    def _ask_reader(self, order: Sequence[int]) -> bytes:
        """Without a card: only where the driver of the reader was told to allow it."""
        scard = self.scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, card, _ = scard.SCardConnect(self.context, self.name, scard.SCARD_SHARE_DIRECT, protocols)
        self._check(result)
        try:
            result, answer = scard.SCardControl(card, scard.SCARD_CTL_CODE(ESCAPE), list(order))
        finally:
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
        if result != scard.SCARD_S_SUCCESS:
            text = f"{self.name}: shows nothing without a card unless ifdDriverOptions of libccid is 0x0001"
            raise DeviceError(Fault.REFUSED, text)
        return bytes(answer)

    def _excuse(self, result: int) -> None:
        """A card that went away meanwhile is no fault; a reader that went away is."""
        scard = self.scard
        excuses = (
            *(scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_REMOVED_CARD, scard.SCARD_W_UNRESPONSIVE_CARD),
            *(scard.SCARD_W_UNPOWERED_CARD, scard.SCARD_W_RESET_CARD, scard.SCARD_E_NOT_TRANSACTED),
            *(scard.SCARD_E_SHARING_VIOLATION, scard.SCARD_E_PROTO_MISMATCH, scard.SCARD_W_UNSUPPORTED_CARD),
        )
        if result not in excuses:
            self._check(result)

    def _check(self, result: int) -> None:
        if result != self.scard.SCARD_S_SUCCESS:
            raise _closed(self.scard, self.name, result)


def opened(wanted: str, *, reverse_bytes: bool) -> Session:
    """The one reader whose name holds `wanted`: the numbers at its end change with each plug.

    Raises:
        DeviceError: CLOSED, library, service or reader is not there; MISMATCH, several fit.
    """
    try:
        scard = import_module(LIBRARY)
    except ImportError as error:
        text = f"pyscard is missing: install Debian's python3-pyscard, or ampyard[pcsc] ({error})"
        raise DeviceError(Fault.CLOSED, text) from error
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    if result != scard.SCARD_S_SUCCESS:
        raise _closed(scard, "is pcscd installed and at work?", result)
    try:
        return Session(scard, context, _the_one(scard, context, wanted), reverse_bytes)
    except DeviceError:
        scard.SCardReleaseContext(context)
        raise


def _the_one(scard: ModuleType, context: object, wanted: str) -> str:
    result, names = scard.SCardListReaders(context, [])
    if result not in (scard.SCARD_S_SUCCESS, scard.SCARD_E_NO_READERS_AVAILABLE):
        raise _closed(scard, "pcscd", result)
    fitting = [name for name in names or () if wanted.casefold() in name.casefold()]
    there = ", ".join(names or ()) or "none"
    if not fitting:
        raise DeviceError(Fault.CLOSED, f"no reader {wanted!r}; pcscd knows: {there}")
    if len(fitting) > 1:
        raise DeviceError(Fault.MISMATCH, f"several readers fit {wanted!r}, say more of the name: {there}")
    return str(fitting[0])


def _closed(scard: ModuleType, what: str, result: int) -> DeviceError:
    return DeviceError(Fault.CLOSED, f"{what}: {scard.SCardGetErrorMessage(result)}")


def uid_in(answer: bytes, *, reverse_bytes: bool) -> str | None:
    """UID of an answer to GET DATA; None where it is none, or the status says that it was refused."""
    data, status = answer[:-2], answer[-2:]
    return uid_of(turned(data, reverse_bytes=reverse_bytes)) if status == bytes([DONE, 0]) else None
