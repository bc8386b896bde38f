"""The charging mode that somebody chooses for a running session, as the page and other programs say it."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from controller.charging.commands import Ask, ChooseMode
from controller.charging.local_time import DAY_MIN, clock_minutes
from controller.charging.modes import (
    HIGHEST_PRIORITY,
    MOST_ENERGY_WH,
    MOST_MA,
    STANDARD,
    ByDeadline,
    Fixed,
    Mode,
    Priority,
    Surplus,
)
from controller.web.commands import carry_out


def _time_of_day(text: str) -> str:
    if clock_minutes(text) == DAY_MIN:
        raise ValueError("24:00 is the end of a day; write 00:00")
    return text


class _Choice(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    evse: Annotated[str, Field(min_length=1, max_length=64)]


class AsRulesSay(_Choice):
    """Undoes a choice."""

    mode: Literal["rules"]


class LikeEverybody(_Choice):
    mode: Literal["standard"]


class BeforeOthers(_Choice):
    mode: Literal["priority"]
    priority: Annotated[int, Field(ge=1, le=HIGHEST_PRIORITY)] = 1


class UntilDeparture(_Choice):
    mode: Literal["deadline"]
    energy_kwh: Annotated[float, Field(ge=0.1, le=MOST_ENERGY_WH / 1000, allow_inf_nan=False)]
    by: Annotated[str, AfterValidator(_time_of_day)]


class OnlySurplus(_Choice):
    mode: Literal["surplus"]


class AtMost(_Choice):
    mode: Literal["fixed"]
    max_current_a: Annotated[float, Field(ge=1, le=MOST_MA / 1000, allow_inf_nan=False)]


ModeChoice = Annotated[
    AsRulesSay | LikeEverybody | BeforeOthers | UntilDeparture | OnlySurplus | AtMost, Field(discriminator="mode")
]


def mode_routes(ask: Ask) -> APIRouter:
    router = APIRouter(prefix="/api/commands")

    @router.post("/mode")
    async def mode(body: ModeChoice) -> JSONResponse:
        return await carry_out(ask, ChooseMode(body.evse, _mode(body)))

    return router


def _mode(body: ModeChoice) -> Mode | None:
    match body:
        case AsRulesSay():
            return None
        case LikeEverybody():
            return STANDARD
        case BeforeOthers(priority=level):
            return Priority(level)
        case UntilDeparture(energy_kwh=energy_kwh, by=by):
            return ByDeadline(round(energy_kwh * 1000), clock_minutes(by))
        case OnlySurplus():
            return Surplus()
        case AtMost(max_current_a=max_a):
            return Fixed(round(max_a * 1000))
