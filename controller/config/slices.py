"""What site.toml becomes: frozen slices, from which each component is built alone (R36)."""

from dataclasses import dataclass
from pathlib import Path

from controller.charging.charging_rules import RuleBook
from controller.charging.tokens import SiteAccount
from controller.csms.slice import CsmsSlice
from controller.mqtt.slice import MqttSlice
from controller.runtime.limit_slices import LimitsSlice
from controller.runtime.slices import PlantSlice
from controller.web.slice import WebSlice


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """The whole site."""

    id: str
    name: str
    state_dir: Path
    cycle_s: float
    plant: PlantSlice
    accounts: tuple[SiteAccount, ...]
    rules: RuleBook
    limits: LimitsSlice
    mqtt: MqttSlice | None
    csms: CsmsSlice | None
    web: WebSlice
