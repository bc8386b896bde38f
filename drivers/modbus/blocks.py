"""Which registers are read together. PURE.

A read of its own costs 13 characters of frame, the device's turnaround and a gap; a hole costs two characters per
register. In ASCII each byte is two characters. A block that is too long makes an urgent write wait, so its length
is bounded by the line's speed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from drivers.modbus.codec import Point
from drivers.profile_schema import DeviceProfile, Table
from drivers.setups import Line, Wire

TURNAROUND_S = 0.005
LONGEST_READ_S = 0.045
WIDEST = 4
"""Registers of the widest number: no limit of time may split it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the points that its answer feeds."""

    table: Table
    address: int
    count: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Packing:
    """Most registers of one read, and most unused ones between two points in it.

    `covered`: the only addresses that a read may touch, where the device refuses what it does not have.
    """

    longest: int
    hole: int
    max_block: int
    """What the device allows, however long it takes."""
    covered: frozenset[tuple[Table, int]] | None = None


@dataclass(frozen=True, slots=True)
class Chars:
    """Characters on the line: a read request and the frame of its answer, each register in it, a short write."""

    read: int
    register: int
    write: int
    """A write of one register, and its answer."""


RTU_CHARS = Chars(read=13, register=2, write=16)
ASCII_CHARS = Chars(read=28, register=4, write=34)


def chars(line: Line) -> Chars:
    return ASCII_CHARS if line.framing == "ascii" else RTU_CHARS


def char_s(line: Line) -> float:
    """Time of one character: start, data bits, parity, stop."""
    return (1 + line.data_bits + (line.parity != "N") + line.stop_bits) / line.baud


def gap_s(line: Line) -> float:
    """Silence between two frames: 3.5 characters, 1.75 ms above 19200 baud."""
    return 3.5 * char_s(line) if line.baud <= 19200 else 0.00175


def packing(wire: Wire, profile: DeviceProfile, outlet: int = 1) -> Packing:
    quirks = profile.modbus
    covered = None if quirks.holes else frozenset(_covered(profile, outlet))
    if not isinstance(wire, Line):
        return Packing(quirks.max_block, quirks.max_block, quirks.max_block, covered)
    own, most = chars(wire), LONGEST_READ_S / char_s(wire)
    longest = min(quirks.max_block, max(WIDEST, int(most - own.read) // own.register))
    saved_s = own.read * char_s(wire) + TURNAROUND_S + gap_s(wire)
    return Packing(longest, int(saved_s / (own.register * char_s(wire))), quirks.max_block, covered)


def _covered(profile: DeviceProfile, outlet: int) -> Iterator[tuple[Table, int]]:
    for name, register in profile.registers.items():
        start = profile.address(name, outlet)
        if register.readable:
            yield from ((register.table, start + offset) for offset in range(register.width))


def plan(points: Sequence[Point], packing: Packing, together: Sequence[str] = ()) -> tuple[Block, ...]:
    """Few reads that cover all points in order of table and address.

    A point longer than `packing.longest` (a text) gets a read of its own. Those named in `together` share one read
    wherever the device allows it, whatever that costs (R8: a current and the sign of its power).
    """
    bound = [point for point in points if point.name in together]
    others = [point for point in points if point.name not in together]
    wide = replace(packing, longest=packing.max_block, hole=packing.max_block)
    first = _pack(bound, wide)
    inside = [point for point in others if any(_holds(block, point) for block in first)]
    outside = [point for point in others if point not in inside]
    widened = [_widened(block, inside) for block in first]
    alone = [block for block in _pack(outside, packing) if not _joins(widened, block, packing)]
    return (*widened, *alone)


def _joins(blocks: list[Block], other: Block, packing: Packing) -> bool:
    """Whether the other block was made part of one of them, because that costs less than a read of its own."""
    for place, block in enumerate(blocks):
        low, high = sorted((block, other), key=lambda one: one.address)
        count = max(low.address + low.count, high.address + high.count) - low.address
        between = range(low.address + low.count, high.address)
        if block.table == other.table and count <= packing.longest and _bridged(block.table, between, packing):
            blocks[place] = Block(block.table, low.address, count, (*block.points, *other.points))
            return True
    return False


def _bridged(table: Table, between: range, packing: Packing) -> bool:
    """Whether a read may go on over these unused addresses."""
    covered = packing.covered is None or packing.covered.issuperset((table, address) for address in between)
    return covered and len(between) <= packing.hole


def _holds(block: Block, point: Point) -> bool:
    end = block.address + block.count
    return block.table == point.table and block.address <= point.address and point.address + point.width <= end


def _widened(block: Block, points: Sequence[Point]) -> Block:
    return replace(block, points=(*block.points, *(point for point in points if _holds(block, point))))


def _pack(points: Sequence[Point], packing: Packing) -> tuple[Block, ...]:
    blocks: list[list[Point]] = []
    for point in sorted(points, key=lambda point: (point.table, point.address)):
        if blocks and _fits(blocks[-1], point, packing):
            blocks[-1].append(point)
        else:
            blocks.append([point])
    return tuple(_block(members) for members in blocks)


def _end(members: Sequence[Point]) -> int:
    return max(point.address + point.width for point in members)


def _fits(members: Sequence[Point], point: Point, packing: Packing) -> bool:
    first, end = members[0], _end(members)
    if first.table != point.table or max(end, point.address + point.width) - first.address > packing.longest:
        return False
    return _bridged(point.table, range(end, point.address), packing)


def _block(members: Sequence[Point]) -> Block:
    start = members[0].address
    return Block(members[0].table, start, _end(members) - start, tuple(members))
