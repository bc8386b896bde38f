"""An Elatec TWN4 with its Simple Protocol in text form, as a host at the other end of the line sees it."""

from collections.abc import Callable

UNKNOWN_FUNCTION, MISSING, UNUSED, PARSER = "01", "02", "03", "05"
KINDS = {4: 0x80, 5: 0x40, 7: 0x80, 8: 0x82, 10: 0x80}
"""Kind of card by the length of its UID: ISO 14443 A, EM4102, ISO 15693."""


class SimTwn4:
    """`send` puts bytes on the line. `lights` and `beeps` are what a driver sees and hears."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._heard = b""
        self._card: bytes | None = None
        self.lights = 0
        self.outputs = 0
        self.beeps: list[tuple[int, ...]] = []
        """Volume, Hz, ms on, ms off; numbers low byte first."""
        self.deaf = False
        self.deaf_to = b"none"
        """How commands begin that it does not answer."""
        self.has_lights = True
        self.has_sounder = True
        self.knows_search = True
        self.beneath: bytes | None = None
        """A second card, told in turn with the first."""
        self.garble_next = 0
        """So many cards are told with a wrong digit."""

    def power_cycle(self) -> None:
        self._heard = b""
        self.lights = self.outputs = 0

    def present(self, uid: bytes) -> None:
        self._card = uid

    def remove(self, card: bytes | None = None) -> None:
        """Take this card away, where it still lies there; None: any."""
        if card is None or card == self._card:
            self._card = None

    def receive(self, data: bytes) -> None:
        if self.deaf:
            return
        *lines, self._heard = (self._heard + data).split(b"\r")
        for line in lines:
            if not line.startswith(self.deaf_to):
                self._send(self._reply(line).encode() + b"\r")

    def _reply(self, line: bytes) -> str:
        try:
            command = bytes.fromhex(line.decode("ascii"))
        except ValueError:
            return PARSER
        if len(command) < 2:
            return PARSER
        name, parameters = command[:2].hex(), command[2:]
        if name == "0500" and self.knows_search:
            return self._search(parameters)
        if name in ("0400", "0402", "0403") and self.has_lights:
            return self._pins(name, parameters)
        if name == "0407" and self.has_sounder:
            return self._beep(parameters)
        return UNKNOWN_FUNCTION

    def _search(self, parameters: bytes) -> str:
        if len(parameters) != 1:
            return UNUSED if parameters else MISSING
        if self._card is None or len(self._card) > parameters[0]:
            return "0000"
        told = self._card
        if self.beneath is not None:
            self._card, self.beneath = self.beneath, told
        digits = told.hex().upper()
        if self.garble_next:
            self.garble_next -= 1
            digits = ("0" if digits[0] != "0" else "1") + digits[1:]
        return f"0001{KINDS[len(told)]:02X}{len(told) * 8:02X}{len(told):02X}{digits}"

    def _pins(self, name: str, parameters: bytes) -> str:
        if len(parameters) != (3 if name == "0400" else 1):
            return MISSING
        if name == "0400":
            self.outputs = parameters[0]
        elif name == "0402":
            self.lights |= parameters[0] & self.outputs
        else:
            self.lights &= ~parameters[0]
        return "00"

    def _beep(self, parameters: bytes) -> str:
        if len(parameters) != 7:
            return MISSING
        numbers = (int.from_bytes(parameters[at : at + 2], "little") for at in (1, 3, 5))
        self.beeps.append((parameters[0], *numbers))
        return "00"
