"""Configuration of the MQTT edge. Apart from it, so that reading it does not import a client."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MqttSlice:
    """The broker. `ca_file` None with `tls`: the system's authorities are trusted."""

    host: str
    port: int
    site: str
    """The second level of every topic."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None

    @property
    def base(self) -> str:
        return f"ampyard/{self.site}"
