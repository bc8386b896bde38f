"""What a wire can sustain, computed from its configuration before anything is sent. PURE.

`forecast` lays out the same blocks as the drivers do, adds up their times on the wire, and says what comes of it:
how often each device is read, how busy the wire is, how long a cut of all chargers takes; and what is impossible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from drivers.modbus import codec
from drivers.modbus.blocks import RTU_CHARS, TURNAROUND_S, Block, Chars, char_s, chars, gap_s, packing, plan
from drivers.modbus.reading import CURRENTS, POWERS, evse_registers, meter_registers
from drivers.profile_schema import DeviceProfile
from drivers.setups import Line, Wire

SLOW_S = 10.0
"""Period of what is read seldom."""
SETPOINT_S = 5.0
"""A setpoint is written and read back about this often."""
COMFORT = 0.7
"""Share of its time above which a wire has little left for repeats and for what is slower than it should be."""
TOLERANCE = 1.05
LONGEST_CHARGER_S = 5.0
"""A charger that is read more seldom cannot be known to be lost in time (R4)."""
READ_PER_STALE = 2
"""An SECC must be read so often, at the least, in the time after which it counts as stale."""
LONGEST_CUT_S = 2.0
"""More than this for a cut of all chargers uses up what R4 leaves."""
PERIODS_S = (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300)
BAUDS = (9600, 19200, 38400, 57600, 115200)


@dataclass(frozen=True, slots=True)
class Device:
    """One outlet or meter on a wire, and how often it is to be read."""

    id: str
    unit: int
    profile: DeviceProfile
    period_s: float
    outlet: int = 1

    @property
    def is_meter(self) -> bool:
        return self.profile.kind == "meter"

    @property
    def longest_s(self) -> float:
        """The most seldom that it may be read."""
        if self.profile.supply is not None:
            return self.profile.supply.stale_s / READ_PER_STALE
        return self.period_s * TOLERANCE if self.is_meter else max(LONGEST_CHARGER_S, self.period_s)


@dataclass(frozen=True, slots=True)
class Refresh:
    """How often a device can be read. `share`: of the wire's time, if it is read as often as it is wanted."""

    device: str
    unit: int
    period_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """`load`: share of the wire's time that all that is wanted takes; above 1 all of it comes later.

    `cut_s`: from a decision to reduce every charger to the last acknowledgement. `problems` forbid the
    configuration, `warnings` do not.
    """

    refreshes: tuple[Refresh, ...]
    load: float
    cut_s: float
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Costs:
    """Time on the wire. Over TCP only the device's turnaround counts."""

    char_s: float
    rest_s: float
    chars: Chars = RTU_CHARS

    def read_s(self, count: int) -> float:
        return (self.chars.read + self.chars.register * count) * self.char_s + self.rest_s

    @property
    def write_s(self) -> float:
        return self.chars.write * self.char_s + self.rest_s


@dataclass(frozen=True, slots=True)
class Load:
    """What one device asks of the wire: seconds of each round, of each slow round, of each setpoint."""

    device: Device
    fast_s: float
    slow_s: float
    setpoint_s: float
    requests: int
    longest_s: float

    @property
    def share(self) -> float:
        return self.fast_s / self.device.period_s + self.slow_s / SLOW_S + self.setpoint_s / SETPOINT_S

    @property
    def own_s(self) -> float:
        """Shortest round: its reads and the pauses that it needs after each."""
        return self.fast_s + self.requests * self.device.profile.modbus.spacing_ms / 1000


def forecast(wire: Wire, devices: Sequence[Device]) -> Forecast:
    loads = [_load(wire, device) for device in devices]
    refreshes = _refreshes(loads)
    load, cut_s = sum(one.share for one in loads), _cut_s(wire, loads)
    problems = [
        _too_seldom(wire, devices, device, refresh)
        for device, refresh in zip(devices, refreshes, strict=True)
        if refresh.period_s > device.longest_s
    ]
    if cut_s > LONGEST_CUT_S:
        problems.append(
            f"reducing all its chargers would take {cut_s:.1f} s, and may take {LONGEST_CUT_S:g} s: "
            f"{_faster(wire, devices) or 'put some of them on another wire'}"
        )
    warnings = (
        () if load <= COMFORT else (f"the wire is busy {load:.0%} of the time; {COMFORT:.0%} is comfortable",)
    )
    return Forecast(refreshes, load, cut_s, tuple(problems), warnings)


def _load(wire: Wire, device: Device) -> Load:
    costs = _costs(wire)
    fast, slow = _blocks(wire, device, "fast"), _blocks(wire, device, "slow")
    return Load(
        device,
        fast_s=sum(costs.read_s(block.count) for block in fast),
        slow_s=sum(costs.read_s(block.count) for block in slow),
        setpoint_s=0.0 if device.is_meter else costs.write_s + costs.read_s(1),
        requests=len(fast),
        longest_s=max((costs.read_s(block.count) for block in (*fast, *slow)), default=0.0),
    )


def _costs(wire: Wire) -> Costs:
    if not isinstance(wire, Line):
        return Costs(0.0, TURNAROUND_S)
    return Costs(char_s(wire), TURNAROUND_S + gap_s(wire), chars(wire))


def _blocks(wire: Wire, device: Device, poll: str) -> tuple[Block, ...]:
    profile, fits = device.profile, packing(wire, device.profile, device.outlet)
    if device.is_meter:
        names = meter_registers(profile, "fast" if poll == "fast" else "slow")
        together: tuple[str, ...] = (*CURRENTS, *POWERS) if poll == "fast" else ()
    else:
        names, together = evse_registers(profile, "fast" if poll == "fast" else "slow"), ()
    return plan([codec.point(profile, name, device.outlet) for name in names], fits, together)


def _refreshes(loads: Sequence[Load]) -> tuple[Refresh, ...]:
    """An overloaded wire stretches all periods alike; a unit cannot be faster than its own pauses allow."""
    stretch = max(1.0, sum(load.share for load in loads))
    own_s: dict[int, float] = {}
    for load in loads:
        own_s[load.device.unit] = own_s.get(load.device.unit, 0.0) + load.own_s
    return tuple(
        Refresh(
            load.device.id,
            load.device.unit,
            max(load.device.period_s * stretch, own_s[load.device.unit]),
            load.share,
        )
        for load in loads
    )


def _cut_s(wire: Wire, loads: Sequence[Load]) -> float:
    """A block is under way; then all writes, or the pause of a unit that was read just now."""
    writers = [load.device for load in loads if not load.device.is_meter]
    if not writers:
        return 0.0
    write_s = _costs(wire).write_s
    spaced_s = max(_spaced_s(writers).values()) + write_s
    return max(load.longest_s for load in loads) + max(len(writers) * write_s, spaced_s)


def _spaced_s(devices: Sequence[Device]) -> Mapping[int, float]:
    """Pauses before the last write to each unit, several outlets of which are written one after the other."""
    found: dict[int, float] = {}
    for device in devices:
        found[device.unit] = found.get(device.unit, 0.0) + device.profile.modbus.spacing_ms / 1000
    return found


def _too_seldom(wire: Wire, devices: Sequence[Device], device: Device, refresh: Refresh) -> str:
    what = "meter" if device.is_meter else "charger"
    wanted = f"each {device.period_s:g} s" if device.is_meter else f"at least each {LONGEST_CHARGER_S:g} s"
    return (
        f"{what} {device.id} (unit {device.unit}) is to be read {wanted}, but can only be read each "
        f"{refresh.period_s:.2g} s: {_remedy(wire, devices, device, refresh)}"
    )


def _remedy(wire: Wire, devices: Sequence[Device], device: Device, refresh: Refresh) -> str:
    alone_s = _refreshes([_load(wire, device)])[0].period_s
    if alone_s > device.longest_s:
        return (
            f"not even alone on this wire; set its period to {_rounded_up(alone_s):g} s"
            if device.is_meter
            else ("not even alone on this wire; raise the baud rate")
        )
    ways = [
        _faster(wire, devices),
        f"set its period to {_rounded_up(refresh.period_s):g} s" if device.is_meter else "",
    ]
    return ", or ".join(way for way in (*ways, "put it on a wire of its own") if way)


def _faster(wire: Wire, devices: Sequence[Device]) -> str:
    """The lowest baud rate at which nothing is in the way."""
    if not isinstance(wire, Line):
        return ""
    for baud in BAUDS:
        if baud > wire.baud and not _fails(replace(wire, baud=baud), devices):
            return f"set the wire and its devices to {baud} baud"
    return ""


def _fails(wire: Line, devices: Sequence[Device]) -> bool:
    loads = [_load(wire, device) for device in devices]
    slow = any(
        refresh.period_s > device.longest_s for device, refresh in zip(devices, _refreshes(loads), strict=True)
    )
    return slow or _cut_s(wire, loads) > LONGEST_CUT_S


def _rounded_up(period_s: float) -> float:
    """To a period that somebody would write, and that is sustained."""
    return next((step for step in PERIODS_S if step >= period_s), period_s)
