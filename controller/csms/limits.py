"""A limit from outside the CSMS, as it is told to it."""

import enum
from dataclasses import dataclass


class LimitSource(enum.Enum):
    """In the spelling of OCPP 2.x ChargingLimitSourceEnumType; its CSO is the CSMS itself."""

    ENERGY_MANAGER = "EMS"
    GRID = "SO"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class ExternalLimit:
    """A limit that somebody else sets. `evse` is an OCPP number, None: the station; without a value: released.

    `number` names it where limits are reported as profiles; negative, as K11.FR.06 advises.
    """

    id: str
    source: LimitSource
    evse: int | None
    value_ma: int | None = None
    value_w: int | None = None
    number: int = -1

    @property
    def released(self) -> bool:
        return self.value_ma is None and self.value_w is None

    @property
    def value(self) -> int:
        """In its own unit."""
        return (self.value_w if self.value_ma is None else self.value_ma) or 0

    def free(self) -> "ExternalLimit":
        return ExternalLimit(self.id, self.source, self.evse)
