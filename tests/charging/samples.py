"""States in each phase, and an event of each kind, for the tests of the session."""

from datetime import UTC, datetime

from controller.charging.instant import Instant
from controller.charging.modes import ByDeadline, Chosen, Surplus
from controller.charging.records import ChargingState, MeterValue, SampleContext, StopReason, Trigger
from controller.charging.session import (
    Authorising,
    AvailabilityAsked,
    DeadlinePassed,
    Event,
    EvseState,
    FaultSeen,
    Idle,
    LateVerdict,
    ModeAsked,
    Payer,
    Phase,
    Plug,
    Plugged,
    Presented,
    RegisterRead,
    Resumed,
    Running,
    SampleTaken,
    Starting,
    StateSeen,
    StopAsked,
    Stopping,
    Transaction,
    Unplugged,
    Verdict,
    Waiting,
)
from controller.charging.tokens import BilledBy, Token, TokenInfo, TokenStatus

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALICE = Token("04A1B2C3", "04A1B2C3", group="FAMILY")
ALICES_SON = Token("04FFEEDD", "04FFEEDD", group="FAMILY")
MALLORY = Token("04666666", "04666666")
START_WH = 1000
LAST_WH = 5000


def at(seconds: float, *, boot: str = "boot-1", trusted: bool = True) -> Instant:
    """A moment of the test: seconds after noon, by both clocks unless the machine has rebooted."""
    moment = Instant("boot-1", 10_000.0, NOON, trusted).later(seconds)
    return moment if boot == "boot-1" else Instant(boot, 30.0 + seconds / 1000, moment.wall, trusted)


def meter(energy_wh: int) -> MeterValue:
    return MeterValue(SampleContext.TRIGGER, energy_wh)


def plug(seconds: float = 0.0, counter: int | None = None, name: str = "plug-1") -> Plug:
    return Plug(name, at(seconds), at(seconds), counter)


def payer(token: Token = ALICE, trigger: Trigger = Trigger.AUTHORIZED) -> Payer:
    return Payer(token, trigger)


def transaction(
    *, billed_by: BilledBy = BilledBy.CSMS, invalid: bool = False, chosen: Chosen | None = None
) -> Transaction:
    """Begun at 10 s, last proven at 100 s."""
    return Transaction(
        id="tx-1",
        payer=payer(),
        billed_by=billed_by,
        next_seq=3,
        started=at(10),
        start_wh=START_WH,
        last_wh=LAST_WH,
        last_at=at(100),
        looked=at(100),
        sampled=at(100),
        state=ChargingState.SUSPENDED_EVSE if invalid else ChargingState.CHARGING,
        invalid=invalid,
        chosen=chosen,
    )


def running(plugged: Plug | None = None, *, unseen: bool = False, billed_by: BilledBy = BilledBy.CSMS) -> EvseState:
    return EvseState("A1", Running(transaction(billed_by=billed_by), unseen), plugged or plug())


def stopping(*, departed: bool = False) -> Stopping:
    return Stopping(transaction(), StopReason.LOCAL, Trigger.STOP_AUTHORIZED, at(110), ALICE, departed)


CHOSEN = Chosen(ByDeadline(20_000, 7 * 60), at(50))

PHASES: dict[str, Phase] = {
    "Idle": Idle(),
    "Authorising": Authorising(payer(), at(110)),
    "Waiting": Waiting(payer(), at(200)),
    "Starting": Starting(payer(), at(110)),
    "Running": Running(transaction()),
    "Running, unseen": Running(transaction(), unseen=True),
    "Running, invalid": Running(transaction(invalid=True)),
    "Running, mode chosen": Running(transaction(chosen=CHOSEN)),
    "Stopping": stopping(),
    "Stopping, departed": stopping(departed=True),
}
IMPOSSIBLE = {("Waiting", True), ("Starting", False)} | {
    (name, False) for name in PHASES if name.startswith("Running") or name == "Stopping"
}
"""Phase and plug that never come together: a car in Waiting starts, one that leaves ends what needs it."""

STATES: dict[str, EvseState] = {
    f"{name}, {'plug' if plugged else 'no plug'}": EvseState(
        "A1", phase, plug() if plugged else None, rest_wh=START_WH
    )
    for name, phase in PHASES.items()
    for plugged in (False, True)
    if (name, plugged) not in IMPOSSIBLE
} | {"Idle, inoperative": EvseState("A1", operative=False, wanted_operative=False)}

NOW = at(120)

EVENTS: dict[str, Event] = {
    "Plugged": Plugged(NOW, "plug-2"),
    "Plugged after the connection timeout": Plugged(at(201), "plug-2"),
    "Unplugged": Unplugged(NOW),
    "Presented by the payer": Presented(NOW, payer()),
    "Presented by the payer's group": Presented(NOW, payer(ALICES_SON)),
    "Presented by another": Presented(NOW, payer(MALLORY)),
    "Presented, a checked remote start": Presented(NOW, payer(trigger=Trigger.REMOTE_START), checked=True),
    "Verdict accepted": Verdict(NOW, ALICE, accepted=True),
    "Verdict refused": Verdict(NOW, ALICE, accepted=False, text="Blocked"),
    "Verdict on another token": Verdict(NOW, MALLORY, accepted=True),
    "RegisterRead": RegisterRead(NOW, meter(5100), "tx-2"),
    "RegisterRead below the begin": RegisterRead(NOW, meter(10), "tx-2"),
    "RegisterRead ten minutes later": RegisterRead(at(720), meter(5100), "tx-2"),
    "StateSeen, the same": StateSeen(NOW, ChargingState.CHARGING, meter(5100)),
    "StateSeen, another": StateSeen(NOW, ChargingState.SUSPENDED_EV, meter(5100)),
    "SampleTaken": SampleTaken(NOW, meter(5100), Trigger.TRIGGER),
    "StopAsked remotely": StopAsked(NOW, StopReason.REMOTE, Trigger.REMOTE_STOP),
    "LateVerdict accepted": LateVerdict(NOW, "tx-1", TokenInfo("04A1B2C3", TokenStatus.ACCEPTED)),
    "LateVerdict blocked": LateVerdict(NOW, "tx-1", TokenInfo("04A1B2C3", TokenStatus.BLOCKED)),
    "LateVerdict of another transaction": LateVerdict(NOW, "tx-0", TokenInfo("04A1B2C3", TokenStatus.BLOCKED)),
    "AvailabilityAsked operative": AvailabilityAsked(NOW, operative=True),
    "AvailabilityAsked inoperative": AvailabilityAsked(NOW, operative=False),
    "ModeAsked surplus": ModeAsked(NOW, Surplus()),
    "ModeAsked, the rules again": ModeAsked(NOW, None),
    "FaultSeen": FaultSeen(NOW, "overheated"),
    "FaultSeen gone": FaultSeen(NOW, None),
    "Resumed soon, plugged": Resumed(NOW, plugged=True, id="plug-2", register_wh=5010),
    "Resumed soon, no plug": Resumed(NOW, plugged=False, id="plug-2", register_wh=5010),
    "Resumed an hour later, plugged": Resumed(at(3720), plugged=True, id="plug-2", register_wh=5010),
    "Resumed an hour later, no plug": Resumed(at(3720), plugged=False, id="plug-2", register_wh=5010),
    "Resumed after a reboot, plugged": Resumed(
        at(120, boot="boot-2", trusted=False), plugged=True, id="plug-2", register_wh=5010
    ),
    "DeadlinePassed early": DeadlinePassed(NOW, meter(5100)),
    "DeadlinePassed at last": DeadlinePassed(at(2000), meter(5100)),
    "DeadlinePassed, no reading": DeadlinePassed(at(2000)),
}
