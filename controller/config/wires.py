"""Whether each wire can carry the polling of what hangs on it."""

from collections.abc import Iterable, Iterator, Sequence

from controller.runtime.slices import BusSlice, EvseSlice, MeterSlice
from drivers.modbus.bus import FAST_RTU_S, FAST_TCP_S
from drivers.modbus.planning import Device, Forecast, forecast
from drivers.setups import Endpoint, Line

READS_PER_STALE = 4
"""As its driver wants it."""
READS_WHILE_FRESH = 2
"""An SECC must be heard so often in the time after which its power modules go off: one answer may get lost."""


def check_wires(
    buses: Iterable[BusSlice], evses: Sequence[EvseSlice], meters: Sequence[MeterSlice], problems: list[str]
) -> None:
    for bus in buses:
        devices = list(_devices(bus, evses, meters))
        if devices and isinstance(bus.wire, Line | Endpoint):
            found = forecast(bus.wire, devices)
            problems.extend(f"buses[{bus.id}]: {text}" for text in (*found.problems, *_seldom(found, devices)))


def _seldom(found: Forecast, devices: Sequence[Device]) -> Iterator[str]:
    """R9: an SECC that is read too seldom is stale again and again, and its outlet off."""
    for device, refresh in zip(devices, found.refreshes, strict=True):
        supply = device.profile.supply
        if supply is not None and refresh.period_s * READS_WHILE_FRESH > supply.stale_s:
            yield (
                f"SECC {device.id} (unit {device.unit}) can only be read each {refresh.period_s:.2g} s, and is not "
                f"believed after {supply.stale_s:g} s: give it a faster wire, or one of its own"
            )


def _devices(bus: BusSlice, evses: Iterable[EvseSlice], meters: Iterable[MeterSlice]) -> Iterator[Device]:
    usual_s = FAST_RTU_S if isinstance(bus.wire, Line) else FAST_TCP_S
    for evse in evses:
        if evse.bus == bus.id:
            supply = evse.profile.supply
            period_s = usual_s if supply is None else supply.stale_s / READS_PER_STALE
            yield Device(evse.setup.id, evse.setup.unit, evse.profile, period_s, evse.setup.outlet)
    for meter in meters:
        if meter.bus == bus.id:
            yield Device(meter.id, meter.setup.unit, meter.profile, meter.setup.period_s)
