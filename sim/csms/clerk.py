"""What a CSMS remembers and decides between two messages, whatever the OCPP version."""

from collections.abc import Mapping
from itertools import count

from sim.csms.actions import known_actions
from sim.csms.behaviour import Behaviour, Fault, changed
from sim.csms.registration import Registration

StartKey = tuple[str, int, str, str, int]


class Clerk:
    def __init__(self, version: str, tokens: Mapping[str, str]) -> None:
        self.version = version
        self._registrations: dict[str, Registration] = {}
        self._starts: dict[StartKey, int] = {}
        self._ids = count(1)
        self._behaviour = Behaviour()
        self.change({"tokens": dict(tokens)})

    @property
    def dedupe(self) -> bool:
        return self._behaviour.dedupe

    def change(self, body: Mapping[str, object]) -> None:
        actions = known_actions(self.version)
        self._behaviour = changed(self._behaviour, body, version=self.version, actions=actions)

    def boot(self, identity: str) -> tuple[str, int]:
        """Decide on a boot: the status, and the interval in s that goes with it."""
        behaviour = self._behaviour
        self.registration(identity).booted(behaviour.boot)
        return behaviour.boot, behaviour.heartbeat_s if behaviour.boot == "Accepted" else behaviour.retry_s

    def registration(self, identity: str) -> Registration:
        return self._registrations.setdefault(identity, Registration())

    def boots(self) -> dict[str, str | None]:
        """The last boot answer of each station seen."""
        return {identity: registration.status for identity, registration in self._registrations.items()}

    def turns_away(self, identity: str, action: str) -> bool:
        """Only after a boot that was not accepted; a station that never booted here is served."""
        registration = self.registration(identity)
        return registration.status is not None and not registration.allows(action)

    def verdict(self, uid: str) -> str:
        return self._behaviour.verdict(uid)

    def transaction_id(self, key: StartKey) -> int:
        """The id of a 1.6 transaction; a known start keeps its id, unless in naive mode."""
        known = self._starts.get(key)
        if known is not None and self.dedupe:
            return known
        self._starts[key] = next(self._ids)
        return self._starts[key]

    def take_fault(self, action: str) -> Fault | None:
        """The fault that hits this call, if any; it is used up by being taken."""
        fault = self._behaviour.fault_for(action)
        if fault is not None:
            self._behaviour = self._behaviour.without_one(fault)
        return fault
