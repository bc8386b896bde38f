"""The addresses that the box answers."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from controller.charging.commands import Ask
from controller.charging.view import Look
from controller.web.assets import load_page, load_static
from controller.web.buses import Figures, bus_routes
from controller.web.commands import command_routes
from controller.web.limits import limit_routes
from controller.web.live import LiveStream, Pulse
from controller.web.modes import mode_routes
from controller.web.modules import module_routes
from controller.web.plain import PlainSite
from controller.web.scan import scan_routes

STALE_S = 10.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Surface:
    """Everything that the routes may use of the site."""

    ask: Ask
    look: Look
    metrics: Callable[[], bytes]
    pulse: Pulse
    figures: Figures = tuple


def build(surface: Surface) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.include_router(command_routes(surface.ask))
    app.include_router(mode_routes(surface.ask))
    app.include_router(module_routes(surface.ask))
    app.include_router(limit_routes(surface.ask, surface.look))
    app.include_router(bus_routes(surface.figures))
    app.include_router(scan_routes(surface.ask, surface.look))
    _add_pages(app, surface)
    _add_site(app, surface)
    _add_monitoring(app, surface)
    return app


def _add_pages(app: FastAPI, surface: Surface) -> None:
    page = load_page()
    static = load_static()

    @app.get("/")
    async def site_page() -> HTMLResponse:
        view = surface.look()
        return HTMLResponse(page.render(name=view.name or view.site, version=view.version))

    @app.get("/static/{name}")
    async def static_file(name: str) -> Response:
        if name not in static:
            raise HTTPException(404, "There is no such file.")
        return Response(static[name].body, media_type=static[name].media_type)


def _add_site(app: FastAPI, surface: Surface) -> None:
    plain = PlainSite(surface.look)

    @app.get("/api/site")
    async def site() -> Response:
        return Response(plain.json(), media_type="application/json")

    @app.get("/api/events")
    async def events() -> Response:
        if surface.pulse.full:
            raise HTTPException(503, "Too many pages are open on this box. Close one and try again.")
        return LiveStream(surface.pulse, plain.json)


def _add_monitoring(app: FastAPI, surface: Surface) -> None:
    @app.get("/healthz")
    async def health() -> JSONResponse:
        age_s = surface.pulse.age_s
        stale = age_s > STALE_S
        body = {"status": "stale" if stale else "ok", "cycle_age_s": round(age_s, 2)}
        return JSONResponse(body, 503 if stale else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(surface.metrics(), headers={"content-type": METRICS_TYPE})


async def _invalid(_: Request, exc: Exception) -> JSONResponse:
    """Names each field and its fault, and never repeats what was sent."""
    problems = exc.errors() if isinstance(exc, RequestValidationError) else []
    text = "; ".join(f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems)
    return JSONResponse({"error": text}, 422)


def _place(loc: tuple[str | int, ...]) -> str:
    return ".".join(part for part in loc[1:] if isinstance(part, str)) or "body"


async def _refused(_: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, HTTPException):
        raise exc
    return JSONResponse({"error": exc.detail}, exc.status_code, headers=exc.headers)
