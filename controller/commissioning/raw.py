"""`--raw TABLE:ADDRESS:COUNT[:TYPE[:little]]`: registers that no device profile describes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from drivers.modbus import codec, pdu
from drivers.modbus.pdu import READ_FUNCTION
from drivers.profile_schema import WIDTHS, Table

MOST = 125
"""In one request."""
FORM = "TABLE:ADDRESS[:COUNT[:TYPE[:little]]], such as holding:100:2:u32"


@dataclass(frozen=True, slots=True)
class Asked:
    table: Table
    address: int
    count: int
    type: str
    high_word_first: bool

    def request(self, unit: int) -> pdu.Request:
        return pdu.read(unit, self.table, address=self.address, count=self.count)


def parse(text: str) -> Asked:
    """What `--raw` asks for. The address is 0-based, as it is sent.

    Raises:
        ValueError: it cannot be asked for; the text says why.
    """
    parts = text.split(":")
    if not 2 <= len(parts) <= 5:
        raise ValueError(f"{text!r} must be {FORM}")
    table = next((one for one in READ_FUNCTION if one == parts[0]), None)
    if table is None:
        raise ValueError(f"{parts[0]!r} is no table: {', '.join(READ_FUNCTION)}")
    usual = "u16" if table in ("holding", "input") else "bool"
    kind = parts[3] if len(parts) > 3 else usual
    if len(parts) > 4 and parts[4] not in ("big", "little"):
        raise ValueError(f"{parts[4]!r} is no word order: big or little")
    width = _width(kind, usual)
    count = _number(parts[2]) if len(parts) > 2 else width or 1
    asked = Asked(table, _number(parts[1]), count, kind, parts[-1] != "little")
    if width and count % width:
        raise ValueError(f"{text!r}: {kind} takes {width} registers, so {count} are no whole number of values")
    _check_span(asked)
    return asked


def _check_span(asked: Asked) -> None:
    if not 1 <= asked.count <= MOST:
        raise ValueError(f"{asked.count} at once: one request reads 1 to {MOST} registers or bits")
    if asked.address + asked.count > 0x10000:
        last = asked.address + asked.count - 1
        raise ValueError(
            f"{asked.table} {last}: addresses as sent go from 0 to 65535; 40001 in a list is holding 0"
        )


def values(asked: Asked, words: Sequence[int]) -> Iterator[tuple[int, str, str]]:
    """Address, words in hexadecimal, and value, of each value in the answer."""
    width = WIDTHS.get(asked.type) or len(words)
    for start in range(0, len(words), width):
        part = tuple(words[start : start + width])
        point = codec.Point(
            name="raw",
            table=asked.table,
            address=asked.address + start,
            width=width,
            type=asked.type,
            high_word_first=asked.high_word_first,
            scale=Fraction(1),
            low=None,
            high=None,
            sentinels=(),
            write_fc=None,
            readable=True,
        )
        found = codec.raw(point, part)
        yield point.address, hexadecimal(part, asked.type), "no value" if found is None else _shown(found)


def hexadecimal(words: Sequence[int], kind: str = "u16") -> str:
    return " ".join(str(word) if kind == "bool" else f"{word:04X}" for word in words)


def _shown(found: codec.Raw) -> str:
    return repr(found) if isinstance(found, str) else f"{found:.9g}" if isinstance(found, float) else str(found)


def _width(kind: str, usual: str) -> int:
    """Registers of one value; 0: as many as there are."""
    if kind in ("string", "bytes"):
        return 0
    width = WIDTHS.get(kind)
    if width is None or (usual == "bool") != (kind == "bool"):
        raise ValueError(f"{kind!r} is no type of these registers: {', '.join((*WIDTHS, 'string', 'bytes'))}")
    return width


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise ValueError(f"{text!r} is no register number or count")
    return int(text)
