"""What lies between the site and the world: a network that can fail, and a CSMS behind it."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sim.csms.proxy import Proxy
from sim.csms.server import Csms, NotConnectedError
from sim.scenario import Scenario
from sim.world import NotNowError

CREDENTIAL = "simulated-station-0123456789"
PORTS = {"ws": 80, "wss": 443}


class Upstream:
    """The CSMS of the scenario (or a foreign one at `foreign_url`) and the proxy before it."""

    def __init__(self, scenario: Scenario, out: Path, *, foreign_url: str | None = None) -> None:
        """Nothing listens before `start`. A foreign CSMS is used as the URL says, with or without TLS."""
        spec = scenario.csms
        self._out = out
        self._foreign = urlsplit(foreign_url) if foreign_url else None
        self.present = spec is not None or self._foreign is not None
        self._csms: Csms | None = None
        self._proxy: Proxy | None = None
        self._port = 0
        self._tls = spec.tls if spec is not None else True
        self.identities = _identities(scenario)
        if spec is not None and self._foreign is None:
            self._csms = Csms(
                version=spec.version,
                passwords=dict.fromkeys(self.identities, CREDENTIAL) if spec.tls else None,
                tokens=dict(scenario.tokens),
                tls_dir=out if spec.tls else None,
            )

    async def start(self) -> None:
        if not self.present:
            return
        host, port = "127.0.0.1", 0
        if self._csms is not None:
            port = await self._csms.start()
        elif self._foreign is not None:
            host = self._foreign.hostname or host
            port = self._foreign.port or PORTS[self._foreign.scheme]
        self._proxy = Proxy(host, port)
        self._port = await self._proxy.start()

    async def stop(self) -> None:
        if self._proxy is not None:
            await self._proxy.stop()
        if self._csms is not None:
            await self._csms.stop()

    @property
    def url(self) -> str:
        """Where the controller shall connect: the proxy."""
        if self._foreign is not None:
            return f"{self._foreign.scheme}://127.0.0.1:{self._port}{self._foreign.path.rstrip('/')}"
        return f"{'wss' if self._tls else 'ws'}://localhost:{self._port}/ocpp"

    @property
    def tls(self) -> bool:
        return self.url.startswith("wss:")

    @property
    def ca_file(self) -> Path | None:
        """The authority of the built-in CSMS's certificate."""
        return self._out / "ca.pem" if self._csms is not None and self._tls else None

    @property
    def password(self) -> str | None:
        return CREDENTIAL if self.tls else None

    def set_network(self, state: str, *, ms: int | None, seconds: float | None) -> None:
        """Put the network into a state.

        Raises:
            NotNowError: the site has no CSMS.
        """
        if self._proxy is None:
            raise NotNowError("this site has no CSMS")
        self._proxy.set_state(state, ms=ms, seconds=seconds)

    async def call(self, identity: str | None, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Let the built-in CSMS call the controller.

        Raises:
            NotNowError: no such station is connected. ValueError: the call itself is wrong.
        """
        try:
            return await self.csms.call(identity, action, payload)
        except NotConnectedError as fault:
            raise NotNowError(str(fault)) from fault

    def behave(self, body: dict[str, Any]) -> None:
        """Change how the built-in CSMS behaves; ValueError for what it does not know."""
        self.csms.set_behaviour(body)

    async def messages(self, since: int, timeout_s: float) -> list[dict[str, Any]]:
        if timeout_s > 0:
            return await self.csms.wait_messages(since, timeout_s)
        return self.csms.messages(since)

    def summary(self) -> dict[str, Any] | None:
        return None if self._csms is None else self._csms.summary()

    @property
    def csms(self) -> Csms:
        if self._csms is None:
            raise NotNowError("this site has no CSMS of its own")
        return self._csms


def _identities(scenario: Scenario) -> tuple[str, ...]:
    if scenario.csms is not None and scenario.csms.per_charger:
        return tuple(evse.id for evse in scenario.evses)
    return (scenario.site.id,)
