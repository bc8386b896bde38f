"""The control API over HTTP. `sim.actions.ROUTES` lists what can be done, `sim.bodies` says with which words."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

from sim.actions import Actions, BadRequestError, NotFoundError
from sim.state import snapshot
from sim.upstream import Upstream
from sim.world import NotNowError, World

LONG_POLL_S = 10.0
START_S = 10.0


def build_app(world: World, upstream: Upstream, actions: Actions, *, closing: asyncio.Event) -> FastAPI:
    """The routes: everything that acts goes through `actions`; who still waits when it closes gets a 503."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/v1/state")
    async def state() -> JSONResponse:
        world.advance()
        return JSONResponse(snapshot(world) | {"csms": upstream.summary(), "identities": upstream.identities})

    @app.get("/v1/events")
    async def events(since: int = 0, timeout_s: float = Query(LONG_POLL_S, ge=0, le=60)) -> JSONResponse:
        return await _answered(lambda: _events(world, since, timeout_s), closing)

    @app.get("/v1/csms/messages")
    async def messages(since: int = 0, timeout_s: float = Query(0, ge=0, le=60)) -> JSONResponse:
        return await _answered(lambda: _messages(upstream, since, timeout_s), closing)

    @app.post("/v1/{path:path}")
    async def act(path: str, request: Request) -> JSONResponse:
        raw = await request.body()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as fault:
            return JSONResponse({"error": f"no JSON: {fault}"}, 422)
        return await _answered(lambda: actions.perform(path, body), closing)

    return app


async def _events(world: World, since: int, timeout_s: float) -> dict[str, Any]:
    found = await world.log.wait(since, timeout_s)
    return {"events": found, "next": found[-1]["seq"] if found else since}


async def _messages(upstream: Upstream, since: int, timeout_s: float) -> dict[str, Any]:
    found = await upstream.messages(since, timeout_s)
    return {"messages": found, "next": found[-1]["n"] if found else since}


async def _answered(act: Callable[[], Coroutine[Any, Any, dict[str, Any]]], closing: asyncio.Event) -> JSONResponse:
    task = asyncio.create_task(act())
    end = asyncio.create_task(closing.wait())
    try:
        await asyncio.wait({task, end}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return JSONResponse({"error": "the simulator stops"}, 503)
        return JSONResponse(task.result())
    except BadRequestError as fault:
        return JSONResponse({"error": str(fault)}, 422)
    except NotFoundError as fault:
        return JSONResponse({"error": str(fault)}, 404)
    except NotNowError as fault:
        return JSONResponse({"error": str(fault)}, 409)
    finally:
        task.cancel()
        end.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to the program that it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _started(server: _Server, task: asyncio.Task[None]) -> None:
    started = False
    while not started:
        await asyncio.sleep(0.01)
        started = server.started or task.done()


@contextlib.asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket, closing: asyncio.Event) -> AsyncIterator[None]:
    """Serve on a bound socket as long as the context lasts; its end sets `closing`."""
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="none", access_log=False, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(START_S):
        await _started(server, task)
    try:
        yield
    finally:
        closing.set()
        server.should_exit = True
        await task
