"""The register image of a simulated device: engineering values to words and back."""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.device_profile import DeviceProfile, Register

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4

Value = float | int | str | bytes

_BITS = {"u16": 16, "s16": 16, "u32": 32, "s32": 32, "u64": 64, "s64": 64}


class RefusedError(Exception):
    """A device answers with a Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


def words_of(register: Register, value: Value) -> list[int]:
    """The words of a value in engineering units: energies cut, all else rounded, out of range held at the end.

    An energy beyond the register wraps, as a counter does.
    """
    if isinstance(value, bytes):
        return _words_of_bytes(value[: 2 * register.count].ljust(2 * register.count, b"\0"), register)
    if isinstance(value, str):
        return words_of(register, value.encode("latin-1"))
    if register.type == "bool":
        return [1 if value else 0]
    if register.type in ("float32", "float64"):
        form = ">f" if register.type == "float32" else ">d"
        return register.repeat * _words_of_bytes(struct.pack(form, value / register.scale), register)
    if register.type in ("t5", "t6"):
        return _words_of_bytes(_decimal(value / register.scale), register)
    size = 2 * register.count // register.repeat
    return register.repeat * _words_of_bytes(_raw(register, value).to_bytes(size, "big"), register)


def _decimal(number: float) -> bytes:
    """Three bytes of thousandths, or as many decimals as fit, under a byte with the power of ten."""
    tens = -3
    while abs(number) >= (1 << 22) * 10.0**tens:
        tens += 1
    mantissa = round(number / 10.0**tens)
    return (tens % 256).to_bytes(1, "big") + (mantissa % (1 << 24)).to_bytes(3, "big")


def _raw(register: Register, value: float) -> int:
    """Two's complement of the whole number nearest below (energies) or nearest."""
    exact = round(value / register.scale, 6)
    raw = math.floor(exact) if register.unit == "Wh" else round(exact)
    bits = _BITS[register.type]
    if register.unit == "Wh":
        return raw % (1 << bits)
    signed = register.type.startswith("s")
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    held: int = min(max(int(raw), low), high)
    return held % (1 << bits)


def _words_of_bytes(data: bytes, register: Register) -> list[int]:
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words[::-1] if register.little and register.type not in ("string", "bytes") else words


def _one_copy(register: Register, words: Sequence[int]) -> Sequence[int]:
    """The words of a value that was written, several times over where the model asks for that.

    Raises:
        RefusedError: the copies differ.
    """
    size = len(words) // register.repeat
    if any(words[start : start + size] != words[:size] for start in range(0, len(words), size)):
        raise RefusedError(ILLEGAL_VALUE)
    return words[:size]


def raw_of(register: Register, words: Sequence[int]) -> int:
    """The whole number that was written, signed where the register is; for floats the nearest one.

    Raises:
        RefusedError: copies that differ.
    """
    return _whole(register, _one_copy(register, words))


def _whole(register: Register, words: Sequence[int]) -> int:
    ordered = words[::-1] if register.little else words
    data = struct.pack(f">{len(ordered)}H", *ordered)
    if register.type == "float32":
        number: float = struct.unpack(">f", data)[0]
        return round(number)
    return int.from_bytes(data, "big", signed=register.type.startswith("s"))


def value_of(register: Register, words: Sequence[int]) -> float:
    """The engineering value of written words.

    Raises:
        RefusedError: a float that is no number, or copies that differ.
    """
    words = _one_copy(register, words)
    if register.type in ("t5", "t6"):
        data = struct.pack(">HH", *words)
        tens = int.from_bytes(data[:1], "big", signed=True)
        return int.from_bytes(data[1:], "big", signed=register.type == "t6") * 10.0**tens * register.scale
    if register.type in ("float32", "float64"):
        ordered = words[::-1] if register.little else words
        form = ">f" if register.type == "float32" else ">d"
        value = float(struct.unpack(form, struct.pack(f">{len(ordered)}H", *ordered))[0])
        if not math.isfinite(value):
            raise RefusedError(ILLEGAL_VALUE)
        return value * register.scale
    return _whole(register, words) * register.scale


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one register of one outlet lies. `outlet` counts from 1; 0 for what all outlets share."""

    outlet: int
    register: Register
    start: int

    @property
    def end(self) -> int:
        return self.start + self.register.count

    def is_copy(self, address: int, count: int) -> bool:
        """Whether that is one of the equal copies that lie in this cell."""
        size = self.register.count // self.register.repeat
        return count == size and (address - self.start) % size == 0 and self.start <= address < self.end


class RegisterMap:
    """Addresses of a device, and which requests it takes."""

    def __init__(self, profile: DeviceProfile, outlets: Iterable[int]) -> None:
        self._profile = profile
        self._cells: dict[str, dict[int, Cell]] = {}
        for cell in _cells(profile, tuple(outlets)):
            table = self._cells.setdefault(cell.register.table, {})
            for address in range(cell.start, cell.end):
                table[address] = cell

    def span(self, table: str, address: int, count: int) -> list[Cell | None]:
        """The cells of a read, None for a hole.

        Raises:
            RefusedError: unknown registers, a value cut in two, a hole or a length that the model does not take.
        """
        if count > self._profile.max_block:
            raise RefusedError(ILLEGAL_VALUE)
        cells = [self._cells.get(table, {}).get(a) for a in range(address, address + count)]
        self._check_ends(cells, address, count)
        if not self._profile.holes and None in cells:
            raise RefusedError(ILLEGAL_ADDRESS)
        if any(cell is not None and not cell.register.readable for cell in cells):
            raise RefusedError(ILLEGAL_ADDRESS)
        return cells

    def writable(self, table: str, address: int, count: int) -> list[Cell]:
        """The whole registers that a write covers, or the one of which it is a whole copy.

        Raises:
            RefusedError: unknown, read-only or partly covered registers.
        """
        cells = [self._cells.get(table, {}).get(a) for a in range(address, address + count)]
        if cells[0] is None or cells[0].register.repeat == 1:
            self._check_ends(cells, address, count)
        elif not cells[0].is_copy(address, count):
            raise RefusedError(ILLEGAL_ADDRESS)
        found = list(dict.fromkeys(cell for cell in cells if cell is not None))
        if None in cells or not all(cell.register.writable for cell in found):
            raise RefusedError(ILLEGAL_ADDRESS)
        return found

    def _check_ends(self, cells: Sequence[Cell | None], address: int, count: int) -> None:
        first, last = cells[0], cells[-1]
        if first is None or last is None or first.start != address or last.end != address + count:
            raise RefusedError(ILLEGAL_ADDRESS)


def _cells(profile: DeviceProfile, outlets: Sequence[int]) -> Iterable[Cell]:
    for register in profile.registers.values():
        if register.name in profile.global_registers:
            yield Cell(0, register, register.address)
            continue
        for outlet in outlets:
            yield Cell(outlet, register, register.address + profile.outlet_offset * (outlet - 1))
