"""The wires of the site, Modbus and CAN, and the DC outlets, each of which lives on several of them (R9)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from controller.runtime.crew import Crew
from controller.runtime.past_figures import PastFigures
from controller.runtime.slices import BusSlice, EvseSlice, PlantSlice
from controller.runtime.supervise import Supervised
from drivers.api import BusFigures, Evse, Meter, Sink
from drivers.profile import DeviceProfile
from drivers.setups import DcSetup, Endpoint, EvseSetup, Line, MeterSetup, RegisterSetup

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan


class Component(Protocol):
    async def run(self) -> None: ...


class Bus(Component, Protocol):
    """A wire with devices that come and go while it runs."""

    def add_evse(self, setup: EvseSetup, profile: DeviceProfile) -> Evse: ...

    def add_meter(self, setup: MeterSetup, profile: DeviceProfile) -> Meter: ...

    def add_sensor(self, setup: RegisterSetup) -> None: ...

    def remove(self, device_id: str) -> None: ...


class Module(Protocol):
    """`silent`: it does not answer and may be live."""

    @property
    def address(self) -> int: ...

    @property
    def silent(self) -> bool: ...


class Stack(Protocol):
    """Power modules that are always switched together, as somebody may see them. `at`: the outlet that has them."""

    @property
    def id(self) -> str: ...

    @property
    def at(self) -> str | None: ...

    @property
    def modules(self) -> Sequence[Module]: ...


class Cluster(Component, Protocol):
    """DC outlets with the power modules that they share."""

    @property
    def outlets(self) -> Mapping[str, Evse]: ...

    def stacks(self) -> Sequence[Stack]: ...

    def forget(self, stack: str, address: int) -> None: ...


@runtime_checkable
class Counted(Protocol):
    """A bus that counts what goes over it."""

    def figures(self) -> BusFigures: ...


@dataclass(frozen=True, slots=True)
class WireParts:
    """What wires are built with. A cluster is given the buses, which run as components of their own."""

    build_bus: Callable[[BusSlice, Sink], Bus]
    build_can: Callable[[BusSlice, Sink], Component]
    build_cluster: "Callable[[ClusterPlan, Mapping[str, Component], Sink], Cluster]"
    sink: Sink


@dataclass(frozen=True, slots=True)
class Leaving:
    """What has to go before another plan can be: ids of buses and of clusters."""

    buses: frozenset[str]
    clusters: frozenset[str]


class Wires:
    def __init__(self, parts: WireParts, crew: Crew) -> None:
        self._parts = parts
        self._crew = crew
        self._plans: dict[str, BusSlice] = {}
        self._modbus: dict[str, Bus] = {}
        self._can: dict[str, Component] = {}
        self._clusters: dict[str, tuple[ClusterPlan, Cluster]] = {}
        self._past = PastFigures()

    def __contains__(self, device: str) -> bool:
        """Whether it is a bus, a stack of power modules, or a module of one."""
        return device in self._plans or device.partition("/")[0] in self.stacks

    def __iter__(self) -> Iterator[str]:
        return iter(self._plans)

    @property
    def running(self) -> Mapping[str, Component]:
        return {**self._modbus, **self._can}

    @property
    def stacks(self) -> Mapping[str, str | None]:
        """Which outlet has each stack now; None: nobody has it."""
        return {stack.id: stack.at for _, cluster in self._clusters.values() for stack in cluster.stacks()}

    @property
    def silent(self) -> frozenset[str]:
        """Power modules that do not answer and may be live."""
        stacks = (stack for _, cluster in self._clusters.values() for stack in cluster.stacks())
        return frozenset(f"{stack.id}/{one.address}" for stack in stacks for one in stack.modules if one.silent)

    def forget(self, module: str) -> None:
        """Somebody has seen that a silent power module cannot deliver.

        Raises:
            KeyError: there is no such module.
            DeviceError: it answers.
        """
        stack, _, address = module.partition("/")
        cluster = next((one for _, one in self._clusters.values() if stack in {s.id for s in one.stacks()}), None)
        if cluster is None or not address.isdecimal():
            raise KeyError(module)
        cluster.forget(stack, int(address))

    def figures(self) -> tuple[BusFigures, ...]:
        """Counters since the process started, those of a wire that was opened anew included."""
        counted = (bus.figures() for bus in self.running.values() if isinstance(bus, Counted))
        return tuple(self._past.with_past(one) for one in counted)

    def modbus(self, name: str) -> Bus:
        return self._modbus[name]

    def leaving(self, plan: PlantSlice) -> Leaving:
        wires = {bus.id: bus for bus in plan.buses}
        wanted = {cluster.id: cluster for cluster in plan.clusters}
        buses = frozenset(name for name, old in self._plans.items() if wires.get(name) != old)
        clusters = (
            name for name, (old, _) in self._clusters.items() if wanted.get(name) != old or old.buses & buses
        )
        return Leaving(buses, frozenset(clusters))

    def stop(self, leaving: Leaving) -> Iterator[str]:
        """What is gone afterwards."""
        for name in leaving.clusters:
            plan, _ = self._clusters.pop(name)
            self._crew.stop(name)
            yield from (stack.setup.id for stack in plan.stacks)
        for name in leaving.buses:
            if isinstance(bus := self.running[name], Counted):
                self._past.keep(bus.figures())
            self._crew.stop(name)
            del self._plans[name]
            self._modbus.pop(name, None)
            self._can.pop(name, None)
            yield name

    def start(self, plan: PlantSlice) -> None:
        for bus in plan.buses:
            if bus.id not in self._plans:
                self._start_bus(bus)
        for cluster in plan.clusters:
            if cluster.id not in self._clusters:
                built = self._parts.build_cluster(cluster, self.running, self._parts.sink)
                self._clusters[cluster.id] = (cluster, built)
                self._crew.start_supervised(cluster.id, built.run)

    def _start_bus(self, bus: BusSlice) -> None:
        self._plans[bus.id] = bus
        built: Component
        if isinstance(bus.wire, Line | Endpoint):
            built = self._modbus[bus.id] = self._parts.build_bus(bus, self._parts.sink)
        else:
            built = self._can[bus.id] = self._parts.build_can(bus, self._parts.sink)
        self._crew.start_supervised(bus.id, built.run)

    def add(self, evse: EvseSlice) -> tuple[Evse, tuple[Supervised, ...]]:
        """An EVSE's device, and the components without which nobody serves it."""
        supervised = self._crew.supervised
        if isinstance(evse.setup, DcSetup):
            plan, cluster = self._cluster_of(evse.id)
            served_by = (plan.id, evse.bus, *(plan.buses & self._can.keys()))
            return cluster.outlets[evse.id], tuple(supervised[name] for name in served_by)
        device = self._modbus[evse.bus].add_evse(evse.setup, evse.profile)
        return device, (supervised[evse.bus],)

    def remove(self, evse: EvseSlice) -> None:
        """Take its device away; that of a DC outlet goes with its cluster."""
        if isinstance(evse.setup, EvseSetup):
            self._modbus[evse.bus].remove(evse.id)

    def is_leaving(self, evse: EvseSlice, leaving: Leaving) -> bool:
        if isinstance(evse.setup, DcSetup):
            return self._cluster_of(evse.id)[0].id in leaving.clusters
        return evse.bus in leaving.buses

    def _cluster_of(self, outlet: str) -> "tuple[ClusterPlan, Cluster]":
        return next(found for found in self._clusters.values() if outlet in found[1].outlets)
