"""Which outlets and stacks belong together, and what is wrong with them before anything is built. PURE."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drivers.can.module_profile import ModuleModel
from drivers.profile_schema import DeviceProfile
from drivers.setups import DcSetup, StackSetup


@dataclass(frozen=True, slots=True)
class OutletPlan:
    setup: DcSetup
    profile: DeviceProfile

    @property
    def id(self) -> str:
        return self.setup.id


@dataclass(frozen=True, slots=True)
class StackPlan:
    setup: StackSetup
    model: ModuleModel

    @property
    def id(self) -> str:
        return self.setup.id

    @property
    def outlets(self) -> tuple[str, ...]:
        """All that it can be connected to."""
        return tuple(dict.fromkeys((self.setup.evse, *(switch.evse for switch in self.setup.switches))))


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Outlets that can share stacks, with all of those. Two that are equal need not be built anew."""

    outlets: tuple[OutletPlan, ...]
    stacks: tuple[StackPlan, ...]

    @property
    def id(self) -> str:
        return f"dc:{self.outlets[0].id}"

    @property
    def buses(self) -> frozenset[str]:
        """Wires of both kinds that it lives on."""
        switches = (switch.bus for stack in self.stacks for switch in stack.setup.switches)
        return frozenset(
            [*(one.setup.bus for one in self.outlets), *(one.setup.bus for one in self.stacks), *switches]
        )


def clusters(outlets: Iterable[OutletPlan], stacks: Iterable[StackPlan]) -> tuple[ClusterPlan, ...]:
    """Outlets that a stack can be moved between belong together; each other one is a cluster of its own (R36)."""
    outlets, stacks = tuple(outlets), tuple(stacks)
    leader = {outlet.id: outlet.id for outlet in outlets}
    for stack in stacks:
        names = [leader[name] for name in stack.outlets if name in leader]
        leader = {name: min(names) if first in names else first for name, first in leader.items()}
    return tuple(_cluster(first, leader, outlets, stacks) for first in sorted(set(leader.values())))


def _cluster(
    first: str, leader: Mapping[str, str], outlets: Sequence[OutletPlan], stacks: Sequence[StackPlan]
) -> ClusterPlan:
    own = tuple(sorted((one for one in outlets if leader[one.id] == first), key=lambda one: one.id))
    names = {outlet.id for outlet in own}
    theirs = sorted((one for one in stacks if names & set(one.outlets)), key=lambda one: one.id)
    return ClusterPlan(own, tuple(theirs))


def problems(
    outlets: Iterable[OutletPlan], stacks: Iterable[StackPlan], bitrates: Mapping[str, int]
) -> tuple[str, ...]:
    """What forbids the configuration, for the installer. `bitrates`: of each CAN bus by its id."""
    outlets, stacks = tuple(outlets), tuple(stacks)
    return (
        *_outlets(outlets, stacks),
        *(fault for stack in stacks for fault in _stack(stack, {one.id for one in outlets}, bitrates)),
        *_twice(stacks),
        *_coils(stacks),
        *_wired(stacks),
    )


def _outlets(outlets: Sequence[OutletPlan], stacks: Sequence[StackPlan]) -> Iterator[str]:
    reached = {name for stack in stacks for name in stack.outlets}
    for outlet in outlets:
        if outlet.profile.supply is None:
            yield f"{outlet.id}: device profile {outlet.profile.id} describes no SECC (kind secc)"
        if outlet.id not in reached:
            yield f"{outlet.id}: no power modules can be connected to it; add them under [[power_modules]]"
        if outlet.setup.phases not in (1, 3):
            yield f"{outlet.id}: {outlet.setup.phases} phases; a DC outlet takes one or three"
        if not 0 < outlet.setup.efficiency <= 1:
            yield f"{outlet.id}: an efficiency of {float(outlet.setup.efficiency):g} is not possible"


def _stack(stack: StackPlan, outlets: set[str], bitrates: Mapping[str, int]) -> Iterator[str]:
    setup, profile = stack.setup, stack.model.profile
    for name in stack.outlets:
        if name not in outlets:
            yield f"{stack.id}: there is no DC outlet {name}"
    bitrate = bitrates.get(setup.bus)
    if bitrate is None:
        yield f"{stack.id}: there is no CAN bus {setup.bus}"
    elif profile.can.bitrate not in (None, bitrate):
        yield f"{stack.id}: {profile.id} needs {profile.can.bitrate} bit/s, bus {setup.bus} has {bitrate}"
    yield from _addresses(stack)
    if setup.switches and setup.evse not in {switch.evse for switch in setup.switches}:
        yield f"{stack.id}: its switches lack the one to {setup.evse}, the outlet that it belongs to"
    for name, times in Counter(switch.evse for switch in setup.switches).items():
        if times > 1:
            yield f"{stack.id}: two switches to {name}"


def _addresses(stack: StackPlan) -> Iterator[str]:
    setup, bounds = stack.setup, stack.model.profile.address
    if not setup.addresses:
        yield f"{stack.id}: give the addresses of its modules"
    if outside := [one for one in setup.addresses if not bounds.first <= one <= bounds.last]:
        yield f"{stack.id}: {stack.model.id} has addresses {bounds.first} to {bounds.last}, not {outside}"
    if len(setup.addresses) > bounds.together:
        yield f"{stack.id}: at most {bounds.together} modules of {stack.model.id} may work together"


def _twice(stacks: Sequence[StackPlan]) -> Iterator[str]:
    """Modules of one model that have one address on one bus would both obey."""
    used = Counter((one.setup.bus, one.model.profile.driver, at) for one in stacks for at in one.setup.addresses)
    for (bus, driver, address), times in used.items():
        if times > 1:
            yield f"address {address} of {driver} modules is used {times} times on bus {bus}"


def _coils(stacks: Sequence[StackPlan]) -> Iterator[str]:
    switches = [switch for stack in stacks for switch in stack.setup.switches]
    for what in ("coil", "feedback"):
        used = Counter((switch.bus, switch.unit, getattr(switch, what)) for switch in switches)
        for (bus, unit, address), times in used.items():
            if times > 1:
                yield f"{what} {address} of unit {unit} on bus {bus} is used by {times} switches"


def _wired(stacks: Sequence[StackPlan]) -> Iterator[str]:
    """Stacks that are wired for good count together against what their model allows."""
    fixed = Counter[tuple[str, str]]()
    most: dict[tuple[str, str], int] = {}
    for stack in stacks:
        if not stack.setup.switches:
            key = stack.setup.evse, stack.model.id
            fixed[key] += len(stack.setup.addresses)
            most[key] = stack.model.profile.address.together
    for (outlet, model), count in fixed.items():
        if count > most[outlet, model]:
            yield f"{outlet}: {count} modules of {model} are wired to it, at most {most[outlet, model]} may be"
