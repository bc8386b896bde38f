"""Slices of the configuration from which the plant builds its parts (R36)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import Layout
from controller.charging.records import Route
from controller.charging.tokens import BilledBy
from drivers.can.frame import CanLine
from drivers.profile import DeviceProfile
from drivers.setups import DcSetup, EvseSetup, MeterSetup, ReaderSetup, SensorSetup, Wire

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan


@dataclass(frozen=True, slots=True)
class BusSlice:
    id: str
    wire: Wire | CanLine


@dataclass(frozen=True, slots=True)
class EvseSlice:
    """`meter` None: the charger's own register bills. `route` None: its records stay on the site."""

    setup: EvseSetup | DcSetup
    point: SupplyPoint
    profile: DeviceProfile
    bus: str
    meter: str | None
    billed_by: BilledBy
    route: Route | None

    @property
    def id(self) -> str:
        return self.setup.id

    @property
    def device(self) -> tuple[object, ...]:
        """What its driver is built from; a new circuit, meter, CSMS or biller alone rebuilds nothing.

        Of a DC outlet the cluster says it, with all stacks that it can have.
        """
        return (self.setup, self.profile, self.bus)


@dataclass(frozen=True, slots=True)
class MeterSlice:
    setup: MeterSetup
    profile: DeviceProfile
    bus: str

    @property
    def id(self) -> str:
        return self.setup.id


@dataclass(frozen=True, slots=True)
class ReaderSlice:
    setup: ReaderSetup
    profile: DeviceProfile
    evses: tuple[str, ...]
    oldest_first: bool

    @property
    def id(self) -> str:
        return self.setup.id


@dataclass(frozen=True, slots=True)
class SensorSlice:
    """What a limit or an input is read from. `bus` None: the machine itself has it."""

    setup: SensorSetup
    bus: str | None

    @property
    def id(self) -> str:
        return self.setup.id


@dataclass(frozen=True, slots=True)
class PlantSlice:
    """All devices of the site as they shall be. `clusters` have the DC outlets and their power modules (R9)."""

    layout: Layout
    buses: tuple[BusSlice, ...]
    evses: tuple[EvseSlice, ...]
    meters: tuple[MeterSlice, ...]
    readers: tuple[ReaderSlice, ...]
    sensors: tuple[SensorSlice, ...] = ()
    clusters: "tuple[ClusterPlan, ...]" = ()
