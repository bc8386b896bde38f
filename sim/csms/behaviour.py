"""How the CSMS has been told to behave; requests to change it are checked as a whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ocpp.exceptions import OCPPError
from ocpp.v16.enums import AuthorizationStatus
from ocpp.v201.enums import AuthorizationStatusEnumType

FaultKind = Literal["error", "no_answer", "answer_lost"]
BOOT_STATUSES = ("Accepted", "Pending", "Rejected")
ANY_ACTION = "*"


class BehaviourError(ValueError):
    """The CSMS cannot behave as asked."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of the next `times` calls of an action ("*": of any).

    error: refused, not processed. no_answer: swallowed, not processed.
    answer_lost: processed and stored, then the connection is cut instead of the answer.
    """

    action: str
    kind: FaultKind
    times: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`others` is the status of tokens that `tokens` does not name."""

    boot: str = "Accepted"
    heartbeat_s: int = 60
    retry_s: int = 2
    others: str = "Accepted"
    tokens: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    dedupe: bool = True

    def verdict(self, uid: str) -> str:
        """Token ids are case-insensitive."""
        return self.tokens.get(uid.casefold(), self.others)

    def fault_for(self, action: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.action in (action, ANY_ACTION)), None)

    def without_one(self, fault: Fault) -> "Behaviour":
        """The behaviour after a fault has been used once."""
        left = replace(fault, times=fault.times - 1)
        faults = tuple(left if each is fault else each for each in self.faults)
        return replace(self, faults=tuple(each for each in faults if each.times > 0))


def token_statuses(version: str) -> set[str]:
    statuses = AuthorizationStatus if version == "1.6" else AuthorizationStatusEnumType
    return {str(status.value) for status in statuses}


def error_codes() -> set[str]:
    return {str(error.code) for error in OCPPError.__subclasses__()}


def _one_of(name: str, value: object, allowed: set[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise BehaviourError(f"{name}: {value!r} is not one of {', '.join(sorted(allowed))}")
    return value


def _whole(name: str, value: object, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BehaviourError(f"{name}: {value!r} is not a whole number from {least}")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BehaviourError(f"{name}: {value!r} is neither true nor false")
    return value


def _tokens(value: object, version: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BehaviourError(f"tokens: {value!r} is not an object of uid and status")
    allowed = token_statuses(version)
    tokens = {}
    for uid, status in value.items():
        if not isinstance(uid, str) or not uid:
            raise BehaviourError(f"tokens: {uid!r} is not a uid")
        tokens[uid.casefold()] = _one_of(f"tokens.{uid}", status, allowed)
    return tokens


def _fault(body: object, actions: set[str]) -> Fault:
    if not isinstance(body, dict):
        raise BehaviourError(f"fail: {body!r} is not an object")
    unknown = set(body) - {"action", "error", "no_answer", "answer_lost", "times"}
    if unknown:
        raise BehaviourError(f"fail: unknown {', '.join(sorted(map(str, unknown)))}")
    action = _one_of("fail.action", body.get("action"), actions | {ANY_ACTION})
    times = _whole("fail.times", body.get("times", 1), 0)
    flags = [name for name in ("no_answer", "answer_lost") if _flag(f"fail.{name}", body.get(name, False))]
    if "error" in body:
        _one_of("fail.error", body["error"], error_codes())
        flags.append("error")
    if len(flags) != 1 and times:
        raise BehaviourError("fail: give exactly one of error, no_answer, answer_lost")
    kind: Any = flags[0] if flags else "error"
    return Fault(action, kind, times, body.get("error", ""))


def _faults(now: tuple[Fault, ...], value: object, actions: set[str]) -> tuple[Fault, ...]:
    """A list replaces all faults; one object replaces that of its action (times 0 ends it)."""
    if isinstance(value, list):
        faults = tuple(_fault(each, actions) for each in value)
    else:
        new = _fault(value, actions)
        faults = (*(fault for fault in now if fault.action != new.action), new)
    return tuple(fault for fault in faults if fault.times)


def changed(now: Behaviour, body: Mapping[str, object], *, version: str, actions: set[str]) -> Behaviour:
    """The behaviour after a request; tokens are merged.

    Raises:
        BehaviourError: The request has a fault; nothing of it is taken.
    """
    read: dict[str, Callable[[Any], tuple[str, object]]] = {
        "boot": lambda v: ("boot", _one_of("boot", v, set(BOOT_STATUSES))),
        "heartbeat_s": lambda v: ("heartbeat_s", _whole("heartbeat_s", v, 0)),
        "retry_s": lambda v: ("retry_s", _whole("retry_s", v, 0)),
        "default_token": lambda v: ("others", _one_of("default_token", v, token_statuses(version))),
        "tokens": lambda v: ("tokens", {**now.tokens, **_tokens(v, version)}),
        "fail": lambda v: ("faults", _faults(now.faults, v, actions)),
        "dedupe": lambda v: ("dedupe", _flag("dedupe", v)),
    }
    unknown = set(body) - set(read)
    if unknown:
        raise BehaviourError(f"unknown: {', '.join(sorted(unknown))}")
    changes: Any = dict(read[name](value) for name, value in body.items())
    return replace(now, **changes)
