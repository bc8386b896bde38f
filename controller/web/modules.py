"""A power module that fell silent is left out of account, as the page and other programs say it."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from controller.charging.commands import Ask, ForgetModule
from controller.web.commands import Id, carry_out


class Forget(BaseModel):
    """`confirmed`: what somebody typed who has looked, "<module> has no mains"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    module: Id
    confirmed: Annotated[str, Field(max_length=100)]


def module_routes(ask: Ask) -> APIRouter:
    router = APIRouter(prefix="/api/commands")

    @router.post("/forget-module")
    async def forget_module(body: Forget) -> JSONResponse:
        return await carry_out(ask, ForgetModule(body.module, body.confirmed))

    return router
