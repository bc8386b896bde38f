"""The I/O module of a switching matrix: coils command contactors, discrete inputs show their auxiliary contacts."""

from collections.abc import Sequence

from sim.dc.contactor import Contactor
from sim.registers import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, RefusedError

CHANNELS = 8
"""Modules come with so many inputs and outputs, or a multiple of that."""


class MatrixPanel:
    """A unit of a Modbus bus."""

    spacing_s = 0.0

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.answers = True
        self._coils: dict[int, Contactor] = {}
        self._inputs: dict[int, Contactor] = {}

    def add(self, contactor: Contactor, *, coil: int, feedback: int) -> None:
        self._coils[coil] = contactor
        self._inputs[feedback] = contactor

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(contactor.name for contactor in self._coils.values())

    def heard(self) -> None:
        """It has no watchdog: its outputs stay as they are."""

    def read(self, table: str, address: int, count: int) -> list[int]:
        if table not in ("coil", "discrete"):
            raise RefusedError(ILLEGAL_FUNCTION)
        self._check(self._coils if table == "coil" else self._inputs, address, count)
        return [self._bit(table, place) for place in range(address, address + count)]

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        if function not in (5, 15):
            raise RefusedError(ILLEGAL_FUNCTION)
        self._check(self._coils, address, len(words))
        for place, word in enumerate(words, address):
            if place in self._coils:
                self._coils[place].commanded = bool(word)

    def _bit(self, table: str, place: int) -> int:
        if table == "coil":
            return int(place in self._coils and self._coils[place].commanded)
        return int(place in self._inputs and self._inputs[place].feedback)

    def _check(self, channels: dict[int, Contactor], address: int, count: int) -> None:
        blocks = max(channels) // CHANNELS + 1
        if address + count > blocks * CHANNELS:
            raise RefusedError(ILLEGAL_ADDRESS)
