"""What happens in a demonstration, and when: cars come and go, the building steps, parts fail."""

import random
from dataclasses import dataclass

OUTAGE_S = 60.0
BLIND_S = 10.0
"""Around the kill nobody taps: a card held to a dead box is lost, and the driver would tap again."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One car at one EVSE, seconds from the start. `tap_first`: the card comes before the plug."""

    evse: int
    reader: str
    uid: str
    arrive_s: float
    leave_s: float
    tap_first: bool
    stop_by_card: bool
    phases: int
    max_a: int
    soc: float


@dataclass(frozen=True, slots=True)
class Script:
    """Times in seconds from the start. All cars have left by `quiet_s`; the rest is for what is still queued."""

    stays: tuple[Stay, ...]
    step_s: float
    step_back_s: float
    answer_lost_s: float
    outage_s: float
    outage_end_s: float
    kill_s: float
    quiet_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Outlet:
    """An EVSE of the simulated site and the reader that serves it alone."""

    number: int
    name: str
    reader: str
    long_uid: bool
    """The reader sees 7-byte cards; otherwise 5-byte tags."""


def write(outlets: list[Outlet], *, seconds: float, seed: int, round_number: int = 0) -> Script:
    """A script of this length, the same for the same seed. Each stay has a card of its own."""
    dice = random.Random(seed + round_number)
    outage_s = 0.38 * seconds
    outage_end_s = outage_s + min(OUTAGE_S, 0.34 * seconds)
    kill_s = outage_s + 0.35 * (outage_end_s - outage_s)
    quiet_s = 0.82 * seconds
    stays = [
        stay
        for outlet in outlets
        for stay in _stays(outlet, dice, quiet_s=quiet_s, blind=(kill_s - 4, kill_s + BLIND_S), round_=round_number)
    ]
    return Script(
        stays=tuple(stays),
        step_s=0.25 * seconds,
        step_back_s=0.60 * seconds,
        answer_lost_s=0.16 * seconds,
        outage_s=outage_s,
        outage_end_s=outage_end_s,
        kill_s=kill_s,
        quiet_s=quiet_s,
        end_s=seconds,
    )


CHANGE_S = 12.0
"""Between two cars at one EVSE; the first stops by card, unplugs, and drives away."""


def _stays(
    outlet: Outlet, dice: random.Random, *, quiet_s: float, blind: tuple[float, float], round_: int
) -> list[Stay]:
    """One or two cars after each other: the first early, so that the boards get full before things fail."""
    first_s = _outside(dice.uniform(0.02, 0.20) * quiet_s, blind)
    half_s = dice.uniform(0.55, 0.75) * quiet_s
    if outlet.number % 3 == 0 and quiet_s > 60:
        left_s = _outside(half_s, blind)
        times = [(first_s, left_s), (_outside(left_s + CHANGE_S, blind), quiet_s)]
    else:
        times = [(first_s, _outside(dice.uniform(0.75, 1.0) * quiet_s, blind))]
    return [
        Stay(
            evse=outlet.number,
            reader=outlet.reader,
            uid=_uid(outlet, place, round_),
            arrive_s=arrive_s,
            leave_s=leave_s,
            tap_first=outlet.number % 4 == 1,
            stop_by_card=dice.random() < 0.4,
            phases=dice.choice([1, 3, 3]),
            max_a=dice.choice([16, 16, 32]),
            soc=dice.uniform(0.1, 0.6),
        )
        for place, (arrive_s, leave_s) in enumerate(times)
    ]


def _outside(moment_s: float, blind: tuple[float, float]) -> float:
    return blind[1] if blind[0] <= moment_s <= blind[1] else moment_s


def _uid(outlet: Outlet, place: int, round_: int) -> str:
    number = (round_ * 2 + place) % 256
    if outlet.long_uid:
        return f"04A1B2C3D4{outlet.number:02X}{number:02X}"
    return f"0100AB{outlet.number:02X}{number:02X}"
