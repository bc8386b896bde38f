"""What a scan of a wire shows while it goes on, and what it found. Plain data for every edge."""

import enum
from dataclasses import dataclass


class ScanState(enum.Enum):
    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WireView:
    """A bus of the site that can be scanned; `wire` names it for people, with its settings."""

    bus: str
    wire: str


@dataclass(frozen=True, slots=True)
class KnownView:
    """A unit of the site: not asked by a scan. `ids` are those of site.toml behind it.

    `called`: unit, or module on a CAN bus, where `unit` is its address.
    """

    unit: int
    ids: tuple[str, ...]
    called: str = "unit"


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A device profile that fits; `confidence` is possible, likely or identified."""

    profile: str
    confidence: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundView:
    """A unit that answers and is not in site.toml, the best proposal first; `called` as in `KnownView`."""

    wire: str
    unit: int
    proposals: tuple[ProposalView, ...] = ()
    notes: tuple[str, ...] = ()
    called: str = "unit"


@dataclass(frozen=True, slots=True)
class ScanView:
    """The one scan that runs, or the last one. `text` says what is done now, or why it ended.

    `fragment` are tables for site.toml, as text.
    """

    state: ScanState = ScanState.IDLE
    bus: str = ""
    text: str = ""
    done: int = 0
    of: int = 0
    known: tuple[KnownView, ...] = ()
    found: tuple[FoundView, ...] = ()
    notes: tuple[str, ...] = ()
    fragment: str = ""
    wires: tuple[WireView, ...] = ()
