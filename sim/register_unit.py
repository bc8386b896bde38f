"""The registers of one unit on a bus, in front of whatever decides behind them."""

import random
from collections.abc import Sequence
from typing import Protocol

from sim.device_profile import DeviceProfile, Register
from sim.events import EventLog
from sim.registers import (
    DEVICE_FAILURE,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Cell,
    RefusedError,
    RegisterMap,
    Value,
    raw_of,
    value_of,
    words_of,
)


class Behind(Protocol):
    """What lies behind the registers. Outlets count from 1."""

    def name(self, outlet: int) -> str: ...

    def reject_rate(self, outlet: int) -> float:
        """How often a good write is refused, or acknowledged and dropped."""

    def value(self, register: Register, outlet: int) -> Value: ...

    def is_setting(self, name: str) -> bool:
        """Whether the value lives behind the register, and may have changed since it was written."""

    def allows(self, register: Register, value: float, outlet: int) -> bool: ...

    def act(self, register: Register, words: Sequence[int], outlet: int) -> None: ...


class RegisterUnit:
    """Reads and writes as the model takes them."""

    def __init__(self, profile: DeviceProfile, behind: Behind, *, rng: random.Random, log: EventLog) -> None:
        """Build a unit without outlets; `serve` them."""
        self._profile = profile
        self._behind = behind
        self._rng = rng
        self._log = log
        self._outlets: tuple[int, ...] = ()
        self._map = RegisterMap(profile, ())
        self._stored: dict[Cell, list[int]] = {}
        self._copies: dict[Cell, list[int]] = {}
        """Values of which not all copies have been written yet."""

    def serve(self, outlets: Sequence[int]) -> None:
        """The first one speaks for registers that all share."""
        self._outlets = tuple(outlets)
        self._map = RegisterMap(self._profile, sorted(outlets))

    def register_value(self, outlet: int, name: str) -> float | None:
        """A numeric register as a reader of the bus would decode it; None where the model lacks it."""
        register = self._profile.registers.get(name)
        if register is None:
            return None
        return value_of(register, words_of(register, self._behind.value(register, outlet)))

    def forget(self) -> None:
        """Lose what was written and is kept nowhere else: mains are gone, or the device restarts."""
        self._stored.clear()
        self._copies.clear()

    # Requests.

    def read(self, table: str, address: int, count: int) -> list[int]:
        cells = self._map.span(table, address, count)
        images = {cell: self._image(cell) for cell in cells if cell is not None}
        return [
            0 if cell is None else images[cell][where - cell.start]
            for where, cell in enumerate(cells, start=address)
        ]

    def write(self, function: int, address: int, words: Sequence[int]) -> None:
        table = "coil" if function in (5, 15) else "holding"
        cells = self._map.writable(table, address, len(words))
        single = len(words) == 1 and function in (5, 6)
        for cell in cells:
            if cell.register.write_fc is not None and single != (cell.register.write_fc in (5, 6)):
                raise RefusedError(ILLEGAL_FUNCTION)
        for cell in cells:
            if cell.register.repeat > 1:
                self._write_copy(cell, address, words)
            else:
                self._write_cell(cell, list(words[cell.start - address : cell.end - address]))

    def _write_copy(self, cell: Cell, address: int, words: Sequence[int]) -> None:
        """A value that lies there several times counts once all its copies are the same."""
        image = self._copies.pop(cell, None) or self._image(cell)
        place = address - cell.start
        image = [*image[:place], *words, *image[place + len(words) :]]
        if len({tuple(image[start : start + len(words)]) for start in range(0, len(image), len(words))}) == 1:
            self._write_cell(cell, image)
        else:
            self._copies[cell] = image

    def _write_cell(self, cell: Cell, words: list[int]) -> None:
        register = cell.register
        outlets = (cell.outlet,) if cell.outlet else self._outlets
        value = value_of(register, words)
        if not all(self._behind.allows(register, value, outlet) for outlet in outlets):
            raise RefusedError(ILLEGAL_VALUE)
        outcome = self._mood(outlets[0])
        for outlet in outlets:
            name = self._behind.name(outlet)
            self._log.add("write", evse=name, register=register.name, value=value, outcome=outcome)
        if outcome == "refused":
            raise RefusedError(DEVICE_FAILURE)
        if outcome == "ignored":
            return
        self._stored[cell] = words
        for outlet in outlets:
            self._behind.act(register, words, outlet)

    def _mood(self, outlet: int) -> str:
        """Now and then a device refuses a good write, or acknowledges it and keeps the old value."""
        if self._rng.random() >= self._behind.reject_rate(outlet):
            return "taken"
        return self._rng.choice(("refused", "ignored"))

    # Images.

    def _image(self, cell: Cell) -> list[int]:
        if cell in self._stored and not self._behind.is_setting(cell.register.name):
            return self._stored[cell]
        if cell.register.masks:
            return self._shared(cell)
        return words_of(cell.register, self._behind.value(cell.register, cell.outlet or self._outlets[0]))

    def _shared(self, cell: Cell) -> list[int]:
        """A word in which each outlet has some bits of its own."""
        word = 0
        for outlet in [cell.outlet] if cell.outlet else self._outlets:
            mask = cell.register.mask(outlet) or 0
            raw = raw_of(cell.register, words_of(cell.register, self._behind.value(cell.register, outlet)))
            word |= raw * (mask & -mask) & mask
        return words_of(cell.register, word * cell.register.scale)
