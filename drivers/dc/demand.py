"""What an SECC says that its vehicle needs and that its outlet allows. PURE.

None: not read, or not believable.
"""

import enum
from dataclasses import dataclass

from drivers.modbus import codec
from drivers.modbus.reading import Image
from drivers.profile_schema import MEASURED, TARGETS, Supply


class Stage(enum.Enum):
    NONE = "no charging"
    CABLE_CHECK = "cable check"
    PRE_CHARGE = "pre-charge"
    CHARGING = "charging"


class Insulation(enum.Enum):
    BAD = "bad"
    TESTING = "being tested"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Demand:
    """`t_s`: monotonic receive time of the oldest of these values."""

    t_s: float
    alive: int | None
    stage: Stage | None
    requested: bool | None
    contactors: bool | None
    insulation: Insulation | None
    target_mv: int | None
    target_ma: int | None
    measured_mv: int | None = None
    measured_ma: int | None = None


@dataclass(slots=True)
class Pulse:
    """When the SECC's own counter was last seen to move: an answer alone proves only that its Modbus stack runs."""

    moved_s: float | None = None
    _last: int | None = None

    def seen(self, demand: Demand) -> None:
        if demand.alive is None:
            return
        if self._last is not None and demand.alive != self._last:
            self.moved_s = demand.t_s
        self._last = demand.alive

    def stop(self) -> None:
        """The SECC was lost: it has to move its counter anew."""
        self.moved_s = self._last = None


def demand_of(supply: Supply, image: Image) -> Demand | None:
    """None: no register of the section was read."""
    times = [image[name].t_s for name in supply.registers if name in image]
    if not times:
        return None
    stages = {
        supply.stage.cable_check: Stage.CABLE_CHECK,
        supply.stage.pre_charge: Stage.PRE_CHARGE,
        supply.stage.charging: Stage.CHARGING,
    }
    tested = {supply.insulation.good: Insulation.GOOD, supply.insulation.testing: Insulation.TESTING}
    stage, insulation = _raw(image, supply.stage.register_), _raw(image, supply.insulation.register_)
    target_mv, target_ma, measured_mv, measured_ma = (_number(image, name) for name in (*TARGETS, *MEASURED))
    return Demand(
        t_s=min(times),
        alive=_raw(image, supply.alive),
        stage=None if stage is None else stages.get(stage, Stage.NONE),
        requested=_is(image, supply.request.register_, supply.request.on),
        contactors=_is(image, supply.contactors.register_, supply.contactors.closed),
        insulation=None if insulation is None else tested.get(insulation, Insulation.BAD),
        target_mv=target_mv,
        target_ma=target_ma,
        measured_mv=measured_mv,
        measured_ma=measured_ma,
    )


def _is(image: Image, name: str, wanted: int) -> bool | None:
    found = _raw(image, name)
    return None if found is None else found == wanted


def _raw(image: Image, name: str) -> int | None:
    sample = image.get(name)
    found = None if sample is None else codec.raw(sample.point, sample.words)
    return found if isinstance(found, int) else None


def _number(image: Image, name: str) -> int | None:
    sample = image.get(name)
    found = None if sample is None else codec.value(sample.point, sample.words)
    return found if isinstance(found, int) else None
