"""A simulated site as a TOML file.

Currents are amperes per phase; "three" means one number or a list for L1, L2, L3. Defaults are in brackets.

    [site]
    id = "small"              # also the OCPP identity of the whole site
    name = "Two boxes"        # [id]
    voltage_v = 230           # [230]
    seed = 1                  # [1] of all chance: noise, latencies, rejected writes, EVs
    cycle_s = 1.0             # [1.0] of the controller
    web_listen = "127.0.0.1:8080"   # [a free port] where the controller shall show its pages

    [[circuits]]              # a tree: exactly one without `parent`
    id = "main"
    parent = "..."            # absent at the root
    rating_a = 63             # three
    usable_share = 0.95       # [0.95]
    max_other_load_a = 0      # three [0]: what the controller is told
    load_a = 0                # three [0]: what the building really takes at first; negative exports
    meter = "grid"            # optional: the meter that the controller shall use here

    [[buses]]                 # every Modbus TCP bus gets a port, every RTU bus a pty
    id = "rs485-1"
    kind = "modbus-rtu"       # or "modbus-tcp" or "can"
    baud = 9600               # these three default to the first device profile's
    parity = "N"
    stop_bits = 1
    framing = "rtu"           # the first device profile's; or "ascii"
    data_bits = 8             # 7 of "ascii", if the first device profile says nothing
    interface = "socketcand"  # [socketcand] of a CAN bus: a TCP port; or "slcan": a pty
    channel = "can0"          # [can0] of socketcand
    bitrate = 125000          # [that of the first modules' profile]

    [[evses]]                 # their order gives the numbers of the control API, from 1
    id = "A1"
    profile = "keba-p30"      # a file in firmware-profiles/chargers
    bus = "keba-1"
    unit = 255                # [the device profile's]; outlets of one charger share bus and unit
    outlet = 1                # [1]
    circuit = "main"
    phases = 3                # [3] wired: 1, 2 or 3
    rotation = "L1L2L3"       # [L1L2L3, or L1 for one phase] supply phase of each conductor
    min_current_a = 6         # [the device profile's]
    max_current_a = 16        # what the hardware is set to
    failsafe_current_a = 6    # [min_current_a] for site.toml
    watchdog_timeout_s = 15   # [absent] for site.toml
    power_up_current_a = 0    # [the device profile's, else max_current_a] what it offers when mains return
    latency_s = 1.0           # [the device profile's] at most, from a write to the pilot
    reject_writes = 0.01      # [0.01] share of writes refused or silently ignored
    boot_s = 3.0              # [3.0] from mains to the first answer
    energy_wh = 12345         # [by chance] its register at the start
    meter = "m-a1"            # optional: a billing meter of its own

    [[evses]]                 # a DC outlet: its profile is one of firmware-profiles/seccs
    id = "DC1"                # bus, unit, circuit, phases, rotation, latency_s, reject_writes, boot_s and energy_wh
    profile = "ampyard-secc"  # as above; latency_s [0.2] counts from a write until it is obeyed
    max_current_a = 100       # per phase of its modules' mains
    min_current_a = 1         # [1]
    max_power_kw = 60         # at the outlet
    efficiency = 0.92         # [0.92] for site.toml; what the modules really need is in sim/can/source.py
    watchdog_timeout_s = 10   # [absent] for site.toml

    [[power_modules]]         # a stack: modules that are switched together
    id = "stack-1"
    profile = "infypower-v1.13"   # a file in firmware-profiles/power-modules
    bus = "can0"
    addresses = [0, 1]
    evse = "DC1"              # the outlet that it is wired to, or belongs to; its mains are those of that outlet
    latency_s = 0.02          # [0.02] from a frame to what it does
    ramp_a_s = 400            # [400] of the output
    [[power_modules.switches]]    # its contactors in a switching matrix; absent: wired for good
    evse = "DC1"              # one entry for each outlet that it can be connected to, its own included
    bus = "lan"
    unit = 9                  # an I/O module that nobody else describes
    coil = 0                  # commands the contactor
    feedback = 0              # discrete input of its auxiliary contact

    [[meters]]
    id = "grid"
    profile = "eastron-sdm630-v2"
    bus = "rs485-1"
    unit = 1                  # [the device profile's]
    circuit = "main"          # either what it measures is a circuit ...
    evse = "A1"               # ... or the conductors of an outlet
    ct_ratio = 1              # [1]
    reversed = false          # [false]
    period_s = 1.0            # [1.0] for site.toml
    refresh_s = 0.3           # [0.1 to 1 by chance] how often the meter itself looks
    noise = 0.002             # [0.002] relative, one sigma
    energy_wh = 12345         # [by chance]

    [[readers]]
    id = "door"
    profile = "rdm6300"       # a file in firmware-profiles/readers
    evses = ["A1"]
    oldest_first = false      # [false]

    [[inputs]]                # digital inputs of the controller: value files beside site.toml
    id = "fire"
    stop_all = true           # [false]

    [[panels]]                # somebody's own Modbus controller: what it has not, it refuses
    id = "plc"
    bus = "keba-1"
    unit = 7
    holding = { "100" = 32 }  # and input, coil, discrete: words by address

    [[tokens]]                # cards that the CSMS knows
    uid = "04A1B2C3"
    status = "Accepted"       # [Accepted] or another OCPP authorisation status

    [csms]                    # absent: the site runs alone
    version = "2.0.1"         # or "1.6"
    stations = "one"          # [one] or "per-charger": one identity for each EVSE
    tls = true                # [true]; false: ws:// with the lab switch
    initial = { "AuthCtrlr.OfflineTxForUnknownIdEnabled" = true }   # first values of OCPP variables

    [[arrivals]]              # and [[faults]]: the same form, two lists for the reader's sake
    at_s = 10                 # simulated seconds
    action = "evse/1/plug_in" # a POST path of the control API below /v1/
    body = { max_a = 16 }     # [{}]
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.can.module_profile import ModuleProfile
from sim.device_profile import DeviceProfile, SerialLine
from sim.fields import Amps3


class ScenarioError(Exception):
    """The scenario cannot be simulated; `problems` lists every reason with its key path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SiteSpec:
    id: str
    name: str
    voltage_v: float
    seed: int
    cycle_s: float
    web_listen: str | None


@dataclass(frozen=True, slots=True)
class CircuitSpec:
    id: str
    parent: str | None
    rating_a: Amps3
    usable_share: float
    max_other_load_a: Amps3
    load_a: Amps3
    meter: str | None


@dataclass(frozen=True, slots=True)
class CanSpec:
    interface: str
    channel: str
    bitrate: int


@dataclass(frozen=True, slots=True)
class BusSpec:
    """`line` is there for a serial wire, `can` for a CAN bus."""

    id: str
    kind: str
    line: SerialLine | None
    can: CanSpec | None = None


@dataclass(frozen=True, slots=True)
class DcSpec:
    """What a DC outlet has beside what all EVSEs have."""

    max_power_kw: float
    efficiency: float


@dataclass(frozen=True, slots=True)
class EvseSpec:
    """`dc` is there for a DC outlet: its currents are those of its modules' mains."""

    id: str
    profile: DeviceProfile
    bus: str
    unit: int
    outlet: int
    circuit: str
    supply: tuple[int, ...]
    rotation: str
    min_a: float
    max_a: float
    failsafe_a: float
    watchdog_timeout_s: float | None
    power_up_a: float
    latency_s: float
    reject_rate: float
    boot_s: float
    energy_wh: float | None
    meter: str | None
    dc: DcSpec | None = None


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    """One contactor of a matrix, and its place on an I/O module."""

    evse: str
    bus: str
    unit: int
    coil: int
    feedback: int


@dataclass(frozen=True, slots=True)
class StackSpec:
    """Without `switches` it is wired to `evse` for good."""

    id: str
    profile: ModuleProfile
    bus: str
    addresses: tuple[int, ...]
    evse: str
    latency_s: float
    ramp_a_s: float
    switches: tuple[SwitchSpec, ...]


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """Measures `circuit` or the outlet of `evse`."""

    id: str
    profile: DeviceProfile
    bus: str
    unit: int
    circuit: str | None
    evse: str | None
    ct_ratio: float
    reversed: bool
    period_s: float
    refresh_s: float | None
    noise: float
    energy_wh: float | None


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    id: str
    profile: DeviceProfile
    evses: tuple[str, ...]
    oldest_first: bool


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """`initial` is words by address as text, by table."""

    id: str
    bus: str
    unit: int
    initial: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class CsmsSpec:
    version: str
    per_charger: bool
    tls: bool
    initial: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    at_s: float
    action: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    site: SiteSpec
    circuits: tuple[CircuitSpec, ...]
    buses: tuple[BusSpec, ...]
    evses: tuple[EvseSpec, ...]
    meters: tuple[MeterSpec, ...]
    readers: tuple[ReaderSpec, ...]
    tokens: Mapping[str, str]
    csms: CsmsSpec | None
    happenings: tuple[Happening, ...]
    inputs: Mapping[str, bool] = field(default_factory=dict)
    """Name to whether it stops all charging."""
    panels: tuple[PanelSpec, ...] = ()
    stacks: tuple[StackSpec, ...] = ()

    @property
    def devices(self) -> list[EvseSpec | MeterSpec]:
        """All that answers on a bus."""
        return [*self.evses, *self.meters]
