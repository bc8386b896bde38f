"""CAN buses and power modules of site.toml: how each bus is reached, and which modules are switched together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from controller.config.catalogue import LAST_UNIT, Catalogue
from controller.config.document import CanTable, RtuTable, StackTable, SwitchTable
from controller.runtime.slices import EvseSlice
from drivers.can.frame import CanLine, Slcan, SocketCan, Socketcand
from drivers.can.slcan import BITRATES
from drivers.setups import DcSetup, StackSetup, SwitchSetup

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan, OutletPlan, StackPlan

KEYS = {"socketcan": ("channel",), "slcan": ("port",), "socketcand": ("host", "port", "channel")}
"""Which keys belong to which interface."""


# CAN buses


def can_line(table: CanTable, catalogue: Catalogue) -> CanLine | None:
    """How it is reached; None where its keys do not tell."""
    where = f"buses[{table.id}]"
    before = len(catalogue.problems)
    for key in ("channel", "port", "host"):
        needed, given = key in KEYS[table.interface], getattr(table, key) is not None
        if needed and not given:
            catalogue.complain(f"{where}.{key}", f"is missing; interface {table.interface} needs it")
        elif given and not needed:
            owners = " or ".join(one for one, keys in KEYS.items() if key in keys)
            catalogue.complain(f"{where}.{key}", f"belongs to {owners}, not to {table.interface}; remove it")
    _check_port(where, table, catalogue)
    if not any(stack.bus == table.id for stack in catalogue.document.power_modules):
        catalogue.complain(where, "a CAN bus without [[power_modules]] serves nobody; remove it, or add them")
    return None if len(catalogue.problems) > before else _line(table)


def _check_port(where: str, table: CanTable, catalogue: Catalogue) -> None:
    if table.interface == "slcan" and isinstance(table.port, int):
        catalogue.complain(f"{where}.port", "must be the adapter's serial port, such as /dev/ttyACM0")
    if table.interface == "slcan" and table.bitrate not in BITRATES:
        rates = ", ".join(map(str, BITRATES))
        catalogue.complain(f"{where}.bitrate", f"no adapter has {table.bitrate}: choose one of {rates}")
    if table.interface == "socketcand" and isinstance(table.port, str):
        catalogue.complain(f"{where}.port", "must be a TCP port without quotes; socketcand's own is 29536")


def _line(table: CanTable) -> CanLine:
    if table.interface == "socketcan":
        return SocketCan(table.channel or "", table.bitrate)
    if table.interface == "slcan":
        return Slcan(str(table.port), table.bitrate)
    port = table.port if isinstance(table.port, int) else 0
    return Socketcand(table.host or "", port, table.channel or "", table.bitrate)


# stacks


def read_stacks(catalogue: Catalogue) -> "tuple[StackPlan, ...]":
    """The stacks whose model is known; what else is wrong with any is reported."""
    if not catalogue.document.power_modules:
        return ()
    from drivers.dc.plan import StackPlan

    found = []
    for table in catalogue.document.power_modules:
        where = f"power_modules[{table.id}]"
        model = catalogue.modules.get(table.profile)
        if model is None:
            known = ", ".join(sorted(catalogue.modules))
            catalogue.complain(f"{where}.profile", f"there is no power module {table.profile!r}; there are {known}")
        if not isinstance(catalogue.check_bus(where, table.bus), CanTable | None):
            catalogue.complain(f"{where}.bus", f"{table.bus!r} is no CAN bus, and power modules are on one")
        for switch in table.switches:
            _check_switch(f"{where}.switches[{switch.evse}]", switch, catalogue)
        if model is not None:
            found.append(StackPlan(_stack(table), model))
    return tuple(found)


def _stack(table: StackTable) -> StackSetup:
    switches = tuple(SwitchSetup(one.evse, one.bus, one.unit, one.coil, one.feedback) for one in table.switches)
    return StackSetup(table.id, table.bus, table.addresses, table.evse, switches)


def _check_switch(where: str, switch: SwitchTable, catalogue: Catalogue) -> None:
    bus = catalogue.check_bus(where, switch.bus)
    if isinstance(bus, CanTable):
        catalogue.complain(f"{where}.bus", f"{bus.id!r} is a CAN bus; contactors are switched over Modbus")
    if isinstance(bus, RtuTable) and not 1 <= switch.unit <= LAST_UNIT:
        catalogue.complain(f"{where}.unit", f"must be from 1 to {LAST_UNIT} on a serial wire")


def read_clusters(
    catalogue: Catalogue, evses: Sequence[EvseSlice], stacks: "Sequence[StackPlan]"
) -> "tuple[ClusterPlan, ...]":
    """Outlets with the stacks that they share; those that share none are changed one by one (R36)."""
    seccs = [evse for evse in evses if isinstance(evse.setup, DcSetup)]
    if not seccs and not stacks:
        return ()
    from drivers.dc.plan import OutletPlan, clusters, problems

    bitrates = _bitrates(catalogue, stacks)
    outlets = [OutletPlan(evse.setup, evse.profile) for evse in seccs if isinstance(evse.setup, DcSetup)]
    catalogue.problems.extend(_with_path(text, outlets, stacks) for text in problems(outlets, stacks, bitrates))
    return clusters(outlets, stacks)


def _bitrates(catalogue: Catalogue, stacks: "Sequence[StackPlan]") -> dict[str, int]:
    """Of each CAN bus; one that a stack only believes in has its own fault, and any bit rate."""
    wanted = {stack.setup.bus: stack.model.profile.can.bitrate or 0 for stack in stacks}
    return wanted | {bus.id: bus.bitrate for bus in catalogue.document.buses if isinstance(bus, CanTable)}


def _with_path(text: str, outlets: "Sequence[OutletPlan]", stacks: "Sequence[StackPlan]") -> str:
    """A driver's words begin with the id of what they are about, if that is one."""
    name, _, what = text.partition(": ")
    if name in {stack.id for stack in stacks}:
        return f"power_modules[{name}]: {what}"
    return f"evses[{name}]: {what}" if name in {outlet.id for outlet in outlets} else f"power_modules: {text}"
