"""Looking for devices on a bus of the running site: the scan, and single registers of a unit."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from controller.charging.commands import Ask, CancelScan, Outcome, ReadRegisters, StartScan, WriteRegister
from controller.charging.view import Look
from controller.web.commands import Id, carry_out, plain_outcome

Unit = Annotated[int, Field(ge=0, le=255)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Start(_Body):
    """`units` empty: all that may be there."""

    bus: Id
    units: Annotated[list[Unit], Field(max_length=256)] = []


class Read(_Body):
    unit: Unit
    table: Literal["coil", "discrete", "holding", "input"]
    address: Annotated[int, Field(ge=0, le=65535)]
    count: Annotated[int, Field(ge=1, le=125)]


class Write(_Body):
    """`confirmed` is what somebody typed: the name of the register, or nothing is written (R11)."""

    unit: Unit
    profile: Id
    outlet: Annotated[int, Field(ge=1, le=64)] = 1
    register_: Annotated[str, Field(alias="register", min_length=1, max_length=64)]
    value: Annotated[str, Field(min_length=1, max_length=32)]
    confirmed: Annotated[str, Field(max_length=64)]


def scan_routes(ask: Ask, look: Look) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/scan")
    async def shown() -> JSONResponse:
        scan = look().scan
        return JSONResponse({**asdict(scan), "state": scan.state.value})

    @router.post("/scan")
    async def start(body: Start) -> JSONResponse:
        return await carry_out(ask, StartScan(body.bus, tuple(dict.fromkeys(body.units))))

    @router.delete("/scan")
    async def cancel() -> JSONResponse:
        return await carry_out(ask, CancelScan())

    @router.post("/buses/{bus}/read")
    async def read(bus: str, body: Read) -> JSONResponse:
        command = ReadRegisters(bus, body.unit, body.table, body.address, body.count)
        return await carry_out(ask, command, _with_registers)

    @router.post("/buses/{bus}/write")
    async def write(bus: str, body: Write) -> JSONResponse:
        command = WriteRegister(
            bus=bus,
            unit=body.unit,
            profile=body.profile,
            outlet=body.outlet,
            register=body.register_,
            value=body.value,
            confirmed=body.confirmed,
        )
        return await carry_out(ask, command)

    return router


def _with_registers(outcome: Outcome) -> dict[str, object]:
    found = outcome.registers
    return {**plain_outcome(outcome), "registers": None if found is None else asdict(found)}
