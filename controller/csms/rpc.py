"""OCPP-J without I/O: text in, events out; what is sent is handed back as text.

Fulfils chapter 4 of OCPP-J 1.6 and of part 4 of OCPP 2.0.1. Knows neither actions nor payloads.
"""

import enum
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Payload = Mapping[str, object]

CALL, CALLRESULT, CALLERROR = 2, 3, 4
UNREADABLE_ID = "-1"
MAX_ID = 36
MAX_ACTION = 64
MAX_DESCRIPTION = 255
MAX_DEPTH = 32


class Fault(enum.Enum):
    """What can be wrong with a message, in the spelling of OCPP 2.x; `Wording` has the version's own."""

    FORMAT = "FormatViolation"
    FRAMEWORK = "RpcFrameworkError"
    GENERIC = "GenericError"
    INTERNAL = "InternalError"
    MESSAGE_TYPE = "MessageTypeNotSupported"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    OCCURRENCE = "OccurrenceConstraintViolation"
    PROPERTY = "PropertyConstraintViolation"
    PROTOCOL = "ProtocolError"
    SECURITY = "SecurityError"
    TYPE = "TypeConstraintViolation"


ABOUT_THE_MESSAGE = frozenset(
    {Fault.FORMAT, Fault.FRAMEWORK, Fault.OCCURRENCE, Fault.PROPERTY, Fault.PROTOCOL, Fault.TYPE}
)
"""Faults that lie in the message itself: sending it again cannot help (R27)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How a version spells faults. `answers_unreadable`: a frame without a readable id is answered with id -1."""

    codes: Mapping[Fault, str]
    answers_unreadable: bool

    def code(self, fault: Fault) -> str:
        return self.codes.get(fault, fault.value)


OCPP16 = Wording(
    {
        Fault.FORMAT: "FormationViolation",
        Fault.FRAMEWORK: "FormationViolation",
        Fault.MESSAGE_TYPE: "NotSupported",
        Fault.OCCURRENCE: "OccurenceConstraintViolation",
    },
    answers_unreadable=False,
)
OCPP2 = Wording({}, answers_unreadable=True)

_FAULTS = {fault.value: fault for fault in Fault} | {code: fault for fault, code in OCPP16.codes.items()}
_FAULTS["NotSupported"] = Fault.NOT_SUPPORTED
_FAULTS["FormationViolation"] = Fault.FORMAT


def fault_of(code: str) -> Fault:
    """Either spelling of either version; an error code that nobody defines counts as a generic error."""
    return _FAULTS.get(code, Fault.GENERIC)


@dataclass(frozen=True, slots=True)
class CallReceived:
    id: str
    action: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class ResultReceived:
    """The answer to our open CALL."""

    id: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class ErrorReceived:
    """Our open CALL was answered with CALLERROR."""

    id: str
    code: str
    description: str

    @property
    def fault(self) -> Fault:
        return fault_of(self.code)


@dataclass(frozen=True, slots=True)
class Stray:
    """An answer to nothing that is open: late, twice, or invented."""

    id: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A frame that is no OCPP-J message. `answer` is what to send back, None where the version says nothing."""

    why: str
    answer: str | None


Event = CallReceived | ResultReceived | ErrorReceived | Stray | Broken


class OneCallOnlyError(RuntimeError):
    """A second CALL was begun while one is open: a fault of the caller."""


@dataclass(slots=True)
class Session:
    """One connection's conversation. At most one CALL of ours is open; message ids are never used twice."""

    wording: Wording
    new_id: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    open_call: str | None = None
    _to_answer: set[str] = field(default_factory=set)

    def call(self, action: str, payload: Payload) -> tuple[str, str]:
        """Message id and text of a new CALL.

        Raises:
            OneCallOnlyError: the one before is neither answered nor abandoned.
        """
        if self.open_call is not None:
            raise OneCallOnlyError(action)
        self.open_call = self.new_id()
        return self.open_call, _dump([CALL, self.open_call, action, payload])

    def abandon(self) -> None:
        """Give up waiting for the open CALL; a late answer to it becomes `Stray`."""
        self.open_call = None

    def result(self, message_id: str, payload: Payload) -> str:
        self._to_answer.discard(message_id)
        return _dump([CALLRESULT, message_id, payload])

    def error(self, message_id: str, fault: Fault, description: str = "") -> str:
        self._to_answer.discard(message_id)
        return _dump([CALLERROR, message_id, self.wording.code(fault), description[:MAX_DESCRIPTION], {}])

    def receive(self, frame: str | bytes) -> Event:
        """What one websocket frame means. Never raises, whatever it holds."""
        if isinstance(frame, bytes):
            return self._broken(UNREADABLE_ID, Fault.FRAMEWORK, "binary frame")
        try:
            message = _parse(frame)
        except (ValueError, RecursionError) as error:
            return self._broken(UNREADABLE_ID, Fault.FRAMEWORK, f"not JSON: {error}")
        if not isinstance(message, list) or not message:
            return self._broken(UNREADABLE_ID, Fault.FRAMEWORK, "not a JSON array")
        return self._read(message)

    def _read(self, message: list[object]) -> Event:
        kind, message_id = message[0], _id_in(message)
        if type(kind) is not int:
            return self._broken(message_id, Fault.FRAMEWORK, "message type is not an integer")
        if kind == CALL:
            return self._call(message, message_id)
        if kind in {CALLRESULT, CALLERROR}:
            return self._answer(kind, message, message_id)
        if not self.wording.answers_unreadable:
            return Broken(f"message type {kind}", None)
        return self._broken(message_id, Fault.MESSAGE_TYPE, f"message type {kind}")

    def _call(self, message: list[object], message_id: str) -> Event:
        if message_id == UNREADABLE_ID or len(message) != 4:
            return self._broken(
                message_id, Fault.FRAMEWORK, "a CALL has four elements and an id of 1 to 36 characters"
            )
        action, payload = message[2], message[3]
        if not isinstance(action, str) or not 0 < len(action) <= MAX_ACTION:
            return self._broken(message_id, Fault.FRAMEWORK, "the action is no name")
        if not isinstance(payload, dict):
            return self._broken(message_id, Fault.FORMAT, "the payload is not an object")
        if message_id in self._to_answer:
            return Broken("a CALL repeats the id of one that is being worked on", None)
        self._to_answer.add(message_id)
        return CallReceived(message_id, action, payload)

    def _answer(self, kind: int, message: list[object], message_id: str) -> Event:
        if message_id != self.open_call:
            return Stray(message_id)
        if kind == CALLRESULT:
            return self._result_of(message, message_id)
        if not 3 <= len(message) <= 5 or not isinstance(message[2], str):
            return Broken("a CALLERROR without an error code", None)
        self.open_call = None
        description = message[3] if len(message) > 3 else ""
        return ErrorReceived(message_id, message[2], str(description)[:MAX_DESCRIPTION])

    def _result_of(self, message: list[object], message_id: str) -> Event:
        payload = message[2] if len(message) == 3 else None
        if not isinstance(payload, dict):
            return Broken("a CALLRESULT without a payload", None)
        self.open_call = None
        return ResultReceived(message_id, payload)

    def _broken(self, message_id: str, fault: Fault, why: str) -> Broken:
        """An answer must never be answered with an error, or two such peers would not stop."""
        if message_id == UNREADABLE_ID and not self.wording.answers_unreadable:
            return Broken(why, None)
        text = _dump([CALLERROR, message_id, self.wording.code(fault), why[:MAX_DESCRIPTION], {}])
        return Broken(why, text)


def _id_in(message: list[object]) -> str:
    if len(message) > 1 and isinstance(message[1], str) and 0 < len(message[1]) <= MAX_ID:
        return message[1]
    return UNREADABLE_ID


def _parse(text: str) -> object:
    message: object = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    if _deeper_than(message, MAX_DEPTH):
        raise ValueError("nested too deep")
    if "\\u" in text:
        json.dumps(message, ensure_ascii=False).encode()
    return message


def _deeper_than(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(item, levels - 1) for item in inner)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"{digits[:20]} is out of range")
    return value


def _dump(message: list[object]) -> str:
    return json.dumps(message, separators=(",", ":"))
