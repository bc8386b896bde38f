"""A search for power modules on a CAN bus of the running site, as the scan of any wire (R39).

What needs a decoder of CAN frames is imported only where a site has such a bus.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from controller.charging.found import FoundView, KnownView, ProposalView
from drivers.can.frame import CanLine, Slcan, SocketCan

if TYPE_CHECKING:
    from drivers.can.module_profile import ModuleModel
    from drivers.can.scan import CanScan, Modules
    from drivers.can.scan_running import Sought, Watch

Members = Mapping[tuple[str, int], Sequence[str]]
"""By protocol and address of a module: the ids of site.toml behind it."""
CALLED = "module"
ANSWERS = "answers in the protocol of this model"


@runtime_checkable
class Searchable(Protocol):
    """A CAN bus that lets strangers be looked for beside its own modules."""

    @property
    def line(self) -> CanLine: ...

    async def search(self, sought: "Sought", watch: "Watch") -> "CanScan": ...


@dataclass(frozen=True, slots=True)
class ModuleParts:
    """`members`: what site.toml has on a bus. `models` reads files and is called in a thread.

    `fragment` makes tables for site.toml of what was found on a bus.
    """

    members: Callable[[str], Members]
    models: "Callable[[], Mapping[str, ModuleModel]]"
    fragment: "Callable[[str, Sequence[Modules]], str]"


@dataclass(frozen=True, slots=True)
class Progress:
    """Told of each step; `found` has all views and the tables, as soon as there is one more."""

    told: Callable[[str, int, int], None]
    found: Callable[[tuple[FoundView, ...], str], None]


@dataclass(frozen=True, slots=True)
class ModuleOrder:
    bus: str
    wire: Searchable
    addresses: Sequence[int]


async def search(order: ModuleOrder, parts: ModuleParts, progress: Progress) -> Sequence[str]:
    """What is to be noted of the bus.

    Raises:
        DeviceError: the bus is not open, was lost, or is too busy.
        ProfileError: a module profile of the site has faults.
    """
    from drivers.can.scan_running import Sought, Watch

    models = await asyncio.to_thread(parts.models)

    def known() -> AbstractSet[tuple[str, int]]:
        return parts.members(order.bus).keys()

    def found(modules: "Sequence[Modules]") -> None:
        progress.found(tuple(found_views(order.wire.line, modules)), parts.fragment(order.bus, modules))

    sought = Sought(tuple(models.values()), known, order.addresses)
    scan = await order.wire.search(sought, Watch(progress.told, found))
    return scan.notes


def known_views(members: Members) -> tuple[KnownView, ...]:
    in_order = sorted(members.items(), key=lambda one: (one[0][1], one[0][0]))
    return tuple(KnownView(address, tuple(ids), CALLED) for (_, address), ids in in_order)


def found_views(line: CanLine, found: "Sequence[Modules]") -> Iterator[FoundView]:
    """One for each module; the models of its protocol are proposed."""
    fitting: dict[tuple[str, int], list[Modules]] = {}
    for one in found:
        for address in one.addresses:
            fitting.setdefault((one.model.profile.driver, address), []).append(one)
    for (_, address), models in sorted(fitting.items(), key=lambda one: (one[0][1], one[0][0])):
        confidence = "likely" if len(models) == 1 else "possible"
        proposals = tuple(ProposalView(one.model.id, confidence, (ANSWERS,)) for one in models)
        notes = tuple(dict.fromkeys(note for one in models for note in one.notes))
        yield FoundView(line_name(line), address, proposals, notes, CALLED)


def line_name(line: CanLine) -> str:
    match line:
        case SocketCan():
            where = line.channel
        case Slcan():
            where = line.port
        case _:
            where = f"{line.host}:{line.port}/{line.channel}"
    return f"{where} {line.bitrate} bit/s"
