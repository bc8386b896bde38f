"""The settings that the core takes as an argument; their home is the variables table of the CSMS edge."""

from dataclasses import dataclass

from controller.charging.tokens import BilledBy


@dataclass(frozen=True, slots=True)
class AuthorisationRules:
    """Offline policy and local sources (OCPP AuthCtrlr, AuthCacheCtrlr, LocalAuthListCtrlr)."""

    authorize_offline: bool = True
    """A locally known Accepted token may start while the CSMS cannot be asked."""
    pre_authorize: bool = False
    """Start on a local Accepted token without waiting for the CSMS."""
    offline_unknown: bool = False
    """Offline, a token that nobody knows may start; it is not remembered."""
    cache_enabled: bool = True
    cache_life_s: int | None = None
    """Since last use; None: for ever."""
    list_enabled: bool = True
    authorize_remote: bool = False
    """A remote start is checked like a presented token."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that the session state machine may depend on. Seconds; 0 switches a sampling off."""

    connection_timeout_s: int = 120
    sample_interval_s: int = 60
    stop_on_invalid: bool = True
    authorisation: AuthorisationRules = AuthorisationRules()
    billed_by: BilledBy = BilledBy.CSMS
    """Of the EVSE, where the token does not say otherwise (R19)."""
    resume_within_s: int = 300
    """Longest down-time after which a transaction continues without the charger's own proof (R17)."""
    max_power_w: int = 22_000
    """Highest plausible power of the EVSE; bounds the register difference over a down-time."""
    register_wait_s: int = 900
    """How long the end of a transaction waits for a last register from a charger that does not answer."""
