"""What the plant is built of: the only module that names concrete drivers.

What few sites have (CAN, DC outlets, GPIO) is imported only where it is configured: it costs memory and start time.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from controller.runtime.plant import RunningInput, RunningReader
from controller.runtime.slices import BusSlice, ReaderSlice, SensorSlice
from controller.runtime.wires import Bus, Cluster, Component
from drivers.api import Sink
from drivers.inputs.file import FileInput
from drivers.modbus.bus import ModbusBus
from drivers.rfid.build import build_reader
from drivers.setups import Endpoint, FileSetup, Line, LineSetup, RegisterSetup

if TYPE_CHECKING:
    from drivers.dc.plan import ClusterPlan


def modbus(bus: BusSlice, sink: Sink) -> Bus:
    if not isinstance(bus.wire, Line | Endpoint):
        raise TypeError(f"{bus.id}: is no Modbus wire")
    return ModbusBus(bus.id, bus.wire, sink)


def can(bus: BusSlice, sink: Sink) -> Component:
    host: ModuleType = import_module("drivers.can.host")
    wire: Component = host.CanWire(bus.id, bus.wire, sink)
    return wire


def cluster(plan: "ClusterPlan", buses: Mapping[str, Component], sink: Sink) -> Cluster:
    """DC outlets that share stacks of power modules."""
    serial = {name: bus for name, bus in buses.items() if isinstance(bus, ModbusBus)}
    others = {name: bus for name, bus in buses.items() if name not in serial}
    dc: ModuleType = import_module("drivers.dc.cluster")
    built: Cluster = dc.DcCluster(plan, modbus=serial, can=others, sink=sink)
    return built


def digital_input(sensor: SensorSlice, sink: Sink) -> RunningInput:
    match sensor.setup:
        case FileSetup():
            return FileInput(sensor.setup, sink)
        case LineSetup():
            gpio: ModuleType = import_module("drivers.inputs.gpio")
            line: RunningInput = gpio.GpioInput(sensor.setup, sink)
            return line
        case RegisterSetup():
            raise ValueError(f"{sensor.id}: a register is read from its bus")


def reader(slice_: ReaderSlice, sink: Sink) -> RunningReader:
    return build_reader(slice_.setup, slice_.profile, sink)
