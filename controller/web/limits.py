"""Limits from outside by REST: said, withdrawn, listed."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from controller.charging.commands import Ask, SetLimit, Voice, WithdrawLimit
from controller.charging.view import LimitView, Look
from controller.web.commands import carry_out


class Said(BaseModel):
    """`value` in the unit that site.toml declares; `expires_s` None: as declared there."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    value: Annotated[float, Field(allow_inf_nan=False)]
    expires_s: Annotated[float, Field(allow_inf_nan=False)] | None = None


def limit_routes(ask: Ask, look: Look) -> APIRouter:
    router = APIRouter(prefix="/api/limits")

    @router.get("")
    async def listed() -> JSONResponse:
        return JSONResponse({"limits": [_plain(limit) for limit in look().limits]})

    @router.put("/{limit}")
    async def say(limit: str, said: Said) -> JSONResponse:
        return await carry_out(ask, SetLimit(limit, said.value, said.expires_s, Voice.REST))

    @router.delete("/{limit}")
    async def withdraw(limit: str) -> JSONResponse:
        return await carry_out(ask, WithdrawLimit(limit, Voice.REST))

    return router


def _plain(limit: LimitView) -> dict[str, object]:
    """As in the site's view, with the value in the declared unit as well."""
    return {**asdict(limit), "state": limit.state.value, "value": in_unit(limit)}


def in_unit(limit: LimitView) -> float | None:
    """The value in the unit that site.toml declares; None: nothing counts."""
    if limit.unit == "w":
        return limit.value_w
    inner = limit.value_ma if limit.unit == "a" else limit.value_w
    return None if inner is None else inner / 1000
