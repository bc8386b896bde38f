"""How the wires are used: counters since the start, from which two looks make rates."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from drivers.api import BusFigures

Figures = Callable[[], Sequence[BusFigures]]


def bus_routes(figures: Figures) -> APIRouter:
    router = APIRouter()

    @router.get("/api/buses")
    async def buses() -> JSONResponse:
        """`at_s`: when the counters were read, on a clock that only runs forward."""
        at_s = asyncio.get_running_loop().time()
        return JSONResponse({"at_s": at_s, "buses": [asdict(one) for one in figures()]})

    return router
