"""Whether each wire can carry the polling of what hangs on it."""

from collections.abc import Iterable, Iterator, Sequence

from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice
from drivers.api import Line
from drivers.modbus.bus import FAST_RTU_S, FAST_TCP_S
from drivers.modbus.planning import Device, forecast


def check_wires(
    buses: Iterable[BusSlice], evses: Sequence[EvseSlice], meters: Sequence[MeterSlice], problems: list[str]
) -> None:
    for bus in buses:
        devices = list(_devices(bus, evses, meters))
        if devices:
            problems.extend(f"buses[{bus.id}]: {text}" for text in forecast(bus.wire, devices).problems)


def _devices(bus: BusSlice, evses: Iterable[EvseSlice], meters: Iterable[MeterSlice]) -> Iterator[Device]:
    usual_s = FAST_RTU_S if isinstance(bus.wire, Line) else FAST_TCP_S
    for evse in evses:
        if evse.bus == bus.id:
            yield Device(evse.setup.id, evse.setup.unit, evse.profile, usual_s, evse.setup.outlet)
    for meter in meters:
        if meter.bus == bus.id:
            yield Device(meter.id, meter.setup.unit, meter.profile, meter.setup.period_s)
