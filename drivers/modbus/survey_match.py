"""Which device profiles a device fits, by reading only: probes, identification registers, believable values."""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from drivers.api import DeviceError, Fault
from drivers.modbus import codec, pdu
from drivers.modbus.link import Answer
from drivers.modbus.pdu import ExceptionAnswerError, Request
from drivers.modbus.probing import Probing
from drivers.modbus.scheduler import Asks, Urgency
from drivers.profile_schema import DeviceProfile, Probe, Register
from drivers.setups import Line, Wire

VOLTS = (80, 300)
HERTZ = (45, 65)
MOST = 16
"""Registers that are compared."""
ENOUGH = 0.7
"""Share of a profile's evidence without which it is not proposed."""
FIRST = ("voltage_l1", "status", "frequency", "voltage_l2", "voltage_l3", "current_l1", "active_power_total")

ILLEGAL_ADDRESS = 2
REVIVALS = 4

Words = tuple[int, ...] | None
"""None: refused, or no answer."""


class Confidence(enum.IntEnum):
    POSSIBLE = 1
    """Its registers are there and hold believable values."""
    LIKELY = 2
    """And among them are values that hardly come by chance, such as the mains voltage."""
    IDENTIFIED = 3
    """The device says who it is."""


@dataclass(frozen=True, slots=True)
class Match:
    profile: DeviceProfile
    confidence: Confidence
    share: float
    """Of the compared registers that fit, weighted."""
    weight: float
    """Of what fits: a profile that explains more registers of the device is the better one."""
    why: tuple[str, ...]


@dataclass(slots=True)
class Evidence:
    """Weighed for and against a profile."""

    good: float = 0.0
    all: float = 0.0
    strong: bool = False
    named: bool = False
    why: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.good / self.all if self.all else 0.0

    def add(self, weight: float, *, fits: bool) -> None:
        self.all += weight
        self.good += weight if fits else 0.0


class Witness:
    """One unit, each register of which is read once; after a silence it is asked what it surely answers."""

    def __init__(self, wire: Asks, known: Request) -> None:
        self._wire = wire
        self._known = known
        self._read: dict[tuple[str, int, int], Words] = {}

    @property
    def unit(self) -> int:
        return self._known.unit

    async def words(self, point: codec.Point) -> Words:
        """What lies there; None where nothing does.

        Raises:
            DeviceError: CLOSED, or the unit answers no more.
        """
        place = (point.table, point.address, point.width)
        if place not in self._read:
            self._read[place] = await self._ask(
                pdu.read(self.unit, point.table, address=point.address, count=point.width)
            )
        return self._read[place]

    async def transfer(self, request: Request, urgency: Urgency) -> Answer:
        """As the wire's, but what was not answered is not there if the unit still answers something else.

        Some devices are silent where they should refuse; they fit the other reading of their profile.

        Raises:
            DeviceError: refused, or the unit answers no more.
        """
        try:
            return await self._wire.transfer(request, urgency)
        except DeviceError as error:
            if error.fault is not Fault.TIMEOUT:
                raise
            await self._revive()
            raise ExceptionAnswerError(self.unit, ILLEGAL_ADDRESS) from error

    async def _revive(self) -> None:
        """So that a register without an answer does not make the unit count as lost.

        Several times: on a serial line an exception may belong to the request that was not answered, and counts for
        nothing until a read of another shape has been answered.

        Raises:
            DeviceError: it does not answer this either.
        """
        for left in reversed(range(REVIVALS)):
            try:
                await self._wire.transfer(self._known, Urgency.SLOW)
            except DeviceError as error:
                if error.fault is Fault.REFUSED:
                    return
                if error.fault is Fault.CLOSED or not left:
                    raise
            else:
                return

    async def _ask(self, request: Request) -> Words:
        try:
            return (await self.transfer(request, Urgency.SLOW)).values
        except DeviceError as error:
            if error.fault in (Fault.CLOSED, Fault.TIMEOUT):
                raise
            return None


async def identify(
    witness: Witness, profiles: Iterable[DeviceProfile], wire: Wire, *, told: Callable[[str], None]
) -> tuple[Match, ...]:
    """The profiles that fit, the best first. `told` is called with the id of each that is tried.

    Raises:
        DeviceError: CLOSED, or the unit answers no more.
    """
    found: list[Match] = []
    for profile in sorted(profiles, key=lambda one: (not _suits(one, wire), one.kind, one.id)):
        if speaks(profile, wire):
            told(profile.id)
            match = await _match(witness, profile)
            found += [match] if match is not None else []
    return tuple(sorted(found, key=lambda one: rank(one, wire)))


def speaks(profile: DeviceProfile, wire: Wire) -> bool:
    """Whether devices of this profile are on such wires at all."""
    return (profile.rtu if isinstance(wire, Line) else profile.tcp) is not None


def rank(match: Match, wire: Wire) -> tuple[int, float, bool, float, int, str]:
    """Sorts matches, the best first."""
    proven = ("high", "medium", "low").index(match.profile.identity.confidence)
    suits = _suits(match.profile, wire)
    return -match.confidence, -round(match.share, 2), not suits, -match.weight, proven, match.profile.id


def _suits(profile: DeviceProfile, wire: Wire) -> bool:
    """Whether the wire has the settings that such devices come with."""
    if isinstance(wire, Line):
        usual = profile.rtu
        return usual is not None and (usual.baud, usual.parity) == (wire.baud, wire.parity)
    return profile.tcp is not None and profile.tcp.port == wire.port


async def _match(witness: Witness, profile: DeviceProfile) -> Match | None:
    evidence = Evidence()
    if not await _first_fits(witness, profile):
        return None
    chosen = await _probed(witness, profile, evidence)
    if chosen is None:
        return None
    for name in compared(chosen):
        await _weigh(witness, chosen, name, evidence=evidence)
    if evidence.share < ENOUGH:
        return None
    confidence = Confidence.LIKELY if evidence.strong else Confidence.POSSIBLE
    return Match(
        chosen,
        Confidence.IDENTIFIED if evidence.named else confidence,
        evidence.share,
        evidence.good,
        tuple(evidence.why),
    )


async def _first_fits(witness: Witness, profile: DeviceProfile) -> bool:
    """One read sorts out most profiles. With a probe another reading of the file may have it elsewhere."""
    names = compared(profile)
    if profile.probe is not None or not names:
        return profile.probe is not None
    return await witness.words(codec.point(profile, names[0])) is not None


async def _probed(witness: Witness, profile: DeviceProfile, evidence: Evidence) -> DeviceProfile | None:
    if profile.probe is None:
        return profile
    try:
        choice = await Probing(witness, profile, unit=witness.unit).choose()
    except DeviceError as error:
        if error.fault in (Fault.CLOSED, Fault.TIMEOUT):
            raise
        return None
    named = _naming(profile.probe, choice.profile)
    evidence.named = evidence.named or bool(named)
    evidence.why += [*choice.told, *named]
    return choice.profile


def _naming(probe: Probe | None, chosen: DeviceProfile) -> list[str]:
    """Probes that only this device fits: a text or a number that is its own, not a range."""
    found: list[str] = []
    while probe is not None:
        reading = next((one for one in probe.readings if _leads_to(one.profile, chosen)), probe.readings[0])
        expected = reading.expected
        telling = expected.one_of is not None or any(expected.begins or ())
        found += [f"{probe.register} says {reading.says}"] if telling else []
        probe = reading.profile.probe
    return found


def _leads_to(profile: DeviceProfile, chosen: DeviceProfile) -> bool:
    return any(one is chosen for one in profile.readings)


def compared(profile: DeviceProfile) -> Sequence[str]:
    """The registers that tell most, most first."""
    names = [
        name
        for name, one in profile.registers.items()
        if one.readable and (one.poll != "never" or name in FIRST) and "tag" not in name.split("_")
    ]
    state = None if profile.state is None else profile.state.register_
    order = {name: place for place, name in enumerate((state, *FIRST))}
    return sorted(names, key=lambda name: order.get(name, len(order)))[:MOST]


async def _weigh(witness: Witness, profile: DeviceProfile, name: str, *, evidence: Evidence) -> None:
    register = profile.registers[name]
    point = codec.point(profile, name)
    words = await witness.words(point)
    raw = None if words is None else codec.raw(point, words)
    if raw is None:
        evidence.add(1.0, fits=False)
    elif isinstance(raw, str):
        _weigh_text(profile, name, raw, evidence)
    else:
        _weigh_number(profile, register, Fraction(raw), evidence)


def _weigh_text(profile: DeviceProfile, name: str, text: str, evidence: Evidence) -> None:
    state = profile.state
    if state is not None and state.register_ == name:
        evidence.add(2.0, fits=text in state.values)
        return
    evidence.add(0.5, fits=bool(text))
    if named(profile, text):
        evidence.named = True
        evidence.why.append(f"{name} reads {text!r}")


def named(profile: DeviceProfile, text: str) -> bool:
    """Whether a text of the device has a word of vendor or model in it."""
    said = {word for word in _words_of(text) if len(word) > 2}
    identity = profile.identity
    return bool(said & set(_words_of(f"{identity.vendor} {identity.model}")))


def _words_of(text: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in text.casefold()).split()


def _weigh_number(profile: DeviceProfile, register: Register, raw: Fraction, evidence: Evidence) -> None:
    state = profile.state
    if state is not None and state.register_ == register.name:
        evidence.add(2.0, fits=raw.denominator == 1 and str(raw.numerator) in state.values)
        return
    value = raw * register.scale
    inside = (register.low is None or value >= register.low) and (register.high is None or value <= register.high)
    span = {"V": VOLTS, "Hz": HERTZ}.get(register.unit or "")
    if span is None or register.exponent is not None:
        evidence.add(0.5 if value == 0 else 1.0, fits=inside)
        return
    usual = span[0] <= value <= span[1]
    absent = value == 0 and register.name in ("voltage_l2", "voltage_l3")  # a single-phase supply
    evidence.add(0.5 if absent else 3.0, fits=usual or absent)
    if usual:
        evidence.strong = True
        evidence.why.append(f"{register.name} reads {float(value):.1f} {register.unit}")
