"""What the page may ask: bodies checked into the site's own commands, and its answers as HTTP."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from controller.charging.commands import (
    Ask,
    ChooseEvse,
    Command,
    Outcome,
    ReleaseStop,
    Reload,
    ResendParked,
    Result,
    SetVariable,
    StopLocally,
    Tap,
)

ASK_S = 15.0

STATUS = {
    Result.DONE: 200,
    Result.SCHEDULED: 202,
    Result.REFUSED: 409,
    Result.UNKNOWN: 404,
    Result.FAILED: 502,
}

Id = Annotated[str, Field(min_length=1, max_length=64)]
Uid = Annotated[str, Field(pattern=r"^(?:[0-9A-Fa-f]{2}){4,10}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Stop(_Body):
    evse: Id


class Choose(_Body):
    choice: Id
    evse: Id


class Present(_Body):
    reader: Id
    uid: Uid


class Variable(_Body):
    name: Annotated[str, Field(min_length=1, max_length=120)]
    value: Annotated[str, Field(max_length=2500)]


class Release(_Body):
    input: Id


class Nothing(_Body):
    """A command without arguments: an empty object."""


async def carry_out(
    ask: Ask, command: Command, plain: Callable[[Outcome], Mapping[str, object]] | None = None
) -> JSONResponse:
    try:
        async with asyncio.timeout(ASK_S):
            outcome = await ask(command)
    except TimeoutError:
        text = (
            f"The controller did not answer within {ASK_S:.0f} s. The page shows whether it happened all the same."
        )
        return JSONResponse({"error": text}, 504)
    return JSONResponse((plain or plain_outcome)(outcome), STATUS[outcome.result])


def plain_outcome(outcome: Outcome) -> dict[str, object]:
    return {"result": outcome.result.value, "text": outcome.text, "transaction": outcome.transaction}


def command_routes(ask: Ask) -> APIRouter:
    router = APIRouter(prefix="/api/commands")

    @router.post("/stop")
    async def stop(body: Stop) -> JSONResponse:
        return await carry_out(ask, StopLocally(body.evse))

    @router.post("/choose")
    async def choose(body: Choose) -> JSONResponse:
        return await carry_out(ask, ChooseEvse(body.choice, body.evse))

    @router.post("/tap")
    async def tap(body: Present) -> JSONResponse:
        return await carry_out(ask, Tap(body.reader, body.uid.upper()))

    @router.post("/reload")
    async def reload(body: Nothing) -> JSONResponse:
        del body
        return await carry_out(ask, Reload())

    @router.post("/variable")
    async def variable(body: Variable) -> JSONResponse:
        return await carry_out(ask, SetVariable(body.name, body.value))

    @router.post("/release")
    async def release(body: Release) -> JSONResponse:
        return await carry_out(ask, ReleaseStop(body.input))

    @router.post("/resend")
    async def resend(body: Nothing) -> JSONResponse:
        del body
        return await carry_out(ask, ResendParked())

    return router
