"""The dashboard's addresses: pages, and the data that their scripts ask for."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from latebloom import __version__
from latebloom.analysis import find_events, phases
from latebloom.dashboard import listing
from latebloom.dashboard.access import Access, Guard
from latebloom.dashboard.comparing import MOST_RUNS, compared
from latebloom.dashboard.curves import rows_since
from latebloom.dashboard.example import GROUP
from latebloom.dashboard.family import forks_of, twin_below
from latebloom.dashboard.jobs import Jobs
from latebloom.dashboard.looking import Looker
from latebloom.dashboard.packed import MEDIA
from latebloom.dashboard.place import NotThereError, Place
from latebloom.dashboard.studies import list_studies, read_study, study_map
from latebloom.dashboard.tour import address, card
from latebloom.errors import LatebloomError
from latebloom.store import StoreError
from latebloom.store.layout import finite_json
from latebloom.views.embed import marks, spans
from latebloom.views.markup import join, tag, text
from latebloom.views.report import PAGE, page_parts

STATIC = files("latebloom.dashboard") / "static"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLL = 1.0
"""Seconds between looks at the log of a run under way."""

PAGES = {"/": "list", "/compare": "compare", "/studies": "studies"}


def make_app(root: Path, access: Access, allow_run: bool = False) -> FastAPI:
    """The application that serves one runs folder.

    Args:
        root: nothing outside it is read; only `jobs` write into it.
        access: who may ask.
        allow_run: whether runs may be started, stopped and gone on with.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    place, looker, jobs = Place(root), Looker(), Jobs(root, allow_run)
    app.state.jobs = jobs
    app.add_middleware(Guard, access=access)
    _errors(app)
    _pages(app, place, looker)
    _data(app, place, looker)
    _actions(app, place, jobs)
    return app


def _errors(app: FastAPI) -> None:
    async def said(request: Request, error: Exception) -> Response:
        code = 404 if isinstance(error, NotThereError) else 400
        return answer(request, code, str(error))

    async def gone(request: Request, error: Exception) -> Response:
        why = getattr(error, "strerror", None) or str(error)
        return answer(request, 404, f"a file of it cannot be read ({why}): was its folder moved or removed just now?")

    async def bad(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return answer(request, 400, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")

    async def unknown(request: Request, error: Exception) -> Response:
        return answer(request, 404, f"there is no page {request.url.path}")

    app.add_exception_handler(LatebloomError, said)
    app.add_exception_handler(OSError, gone)
    app.add_exception_handler(RequestValidationError, bad)
    app.add_exception_handler(404, unknown)
    app.add_exception_handler(405, unknown)


def answer(request: Request, code: int, why: str) -> Response:
    """What went wrong, as JSON for scripts and as a page for people."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": why}, code)
    body = tag(
        "main",
        tag("h1", "Nothing here"),
        tag("p", text(why[:1].upper() + why[1:])),
        tag("p", tag("a", "All runs", href="/")),
    )
    return HTMLResponse(shell("Not found", body, None), code)


def shell(title: str, body: str, script: str | None) -> str:
    """A page of the dashboard round its own content."""
    module = tag("script", type="module", src=f"/static/{script}.js") if script else ""
    ahead = join(*(tag("link", rel="modulepreload", href=f"/static/{name}") for name in imported(script)))
    return Template((STATIC / "shell.html").read_text("utf-8")).substitute(
        title=text(title), body=body, script=module, ahead=ahead, version=__version__
    )


@cache
def imported(script: str | None) -> tuple[str, ...]:
    """All files that a page's script imports, for the browser to fetch at once: each names only its own imports."""
    found, coming = {}, [f"{script}.js"] if script else []
    while coming:
        name = coming.pop()
        if name not in found:
            found[name] = True
            coming += re.findall(r'^import .* from "\./([a-z]+\.js)"', _static(name).read_text("utf-8"), re.M)
    return tuple(found)


def _static(name: str) -> Traversable:
    """A file of the pages.

    Raises:
        NotThereError: there is none.
    """
    for folder in (STATIC, PAGE):
        file = folder / name
        if Path(name).suffix in KINDS and Path(name).name == name and file.is_file():
            return file
    raise NotThereError(f"there is no file {name!r}")


def _pages(app: FastAPI, place: Place, looker: Looker) -> None:
    def page(name: str) -> HTMLResponse:
        titles = {"list": "Runs", "compare": "Compare", "studies": "Studies", "study": "Study"}
        return HTMLResponse(shell(titles[name], (STATIC / f"{name}.html").read_text("utf-8"), name))

    for where, name in PAGES.items():
        app.get(where)(lambda name=name: page(name))

    @app.get("/study/{folder:path}")
    def study(folder: str) -> Response:
        # what came of its runs takes longer, and is asked for by the page
        read_study(place.folder(folder))
        return page("study")

    @app.get("/run/{folder:path}")
    def run(folder: str, tour: int | None = None, step: float | None = None) -> Response:
        there = place.run(folder)
        twin = twin_below(place, there)
        try:
            parts = page_parts(there, twin)
        except RuntimeError as error:  # arrays are decoded when they are used
            raise StoreError(f"an array of {folder} cannot be read ({error}): restore it from a copy") from error
        # the tour speaks of the example; at other runs its number says nothing
        shown = folder.startswith(f"{GROUP}/")
        told = {
            "folder": text(folder),
            "twin": text("" if twin is None else twin.folder.relative_to(place.root).as_posix()),
            "tour": "" if tour is None or not shown else card(tour),
        }
        body = Template((STATIC / "run.html").read_text("utf-8")).substitute(parts, **told)
        ahead = BackgroundTask(looker.warm, there, step)
        return HTMLResponse(shell(parts["title"], body, "run"), background=ahead)

    @app.get("/tour")
    def begin() -> Response:
        return RedirectResponse(address(1), 303)

    @app.get("/tour/{number}")
    def stop(number: int) -> Response:
        return RedirectResponse(address(number), 303)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return Response(_static(name).read_bytes(), media_type=KINDS[Path(name).suffix])

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response((STATIC / "icon.svg").read_bytes(), media_type=KINDS[".svg"])


def _data(app: FastAPI, place: Place, looker: Looker) -> None:
    @app.get("/api/runs")
    def runs(
        q: str = "", state: str = "", group: str = "", sort: str = "updated", descending: bool = True, page: int = 1
    ) -> dict[str, Any]:
        return listing.list_runs(place.root, listing.Query(q, state, group, sort, descending, page))

    @app.get("/api/curves")
    def curves(run: Annotated[list[str], Query(max_length=listing.PAGE)]) -> dict[str, Any]:
        return {folder: listing.small_curves(place.run(folder)) for folder in run}

    @app.get("/api/live/{folder:path}")
    async def live(folder: str, after: Annotated[int, Query(ge=-1, lt=2**63)] = -1) -> Response:
        run = await run_in_threadpool(place.run, folder)

        async def rows() -> AsyncIterator[str]:
            last = after
            while True:
                try:
                    told = await run_in_threadpool(_told, run, last)
                except (LatebloomError, OSError) as error:
                    # the answer has begun, so this is all that can be said of it
                    told = {"state": "unreadable", "error": str(error), "steps": [], "curves": {}}
                last = told["steps"][-1] if told["steps"] else last
                yield f"data: {json.dumps(told, allow_nan=False, separators=(',', ':'))}\n\n"
                if told["state"] != "running":
                    return
                await asyncio.sleep(POLL)

        return StreamingResponse(rows(), media_type="text/event-stream")

    @app.get("/api/inside/{folder:path}")
    def inside(folder: str) -> dict[str, Any]:
        return looker.sizes(place.run(folder))

    @app.get("/api/tables/{folder:path}")
    def tables(folder: str, step: int, block: int = 0, neuron: int = 0, position: int = 0, answer: int = 0) -> Response:
        return Response(looker.tables(place.run(folder), step, block, neuron, position, answer), media_type=MEDIA)

    @app.get("/api/compare")
    def compare(
        run: Annotated[list[str], Query(max_length=MOST_RUNS)],
        measure: Annotated[list[str] | None, Query(max_length=24)] = None,
    ) -> dict[str, Any]:
        return compared([(folder, place.run(folder)) for folder in run], measure or ())

    @app.get("/api/forks/{folder:path}")
    def forks(folder: str) -> dict[str, Any]:
        return forks_of(place, place.run(folder), place.root)

    @app.get("/api/studies")
    def studies() -> list[dict[str, Any]]:
        return list_studies(place.root)

    @app.get("/api/study/{folder:path}")
    def one_study(folder: str) -> dict[str, Any]:
        return finite_json(study_map(place.root, place.folder(folder)))


def _told(run: Any, last: int) -> dict[str, Any]:
    """The rows since, with the events and phases as far as they are known."""
    told = rows_since(run, last)
    if told["steps"]:
        scalars = run.scalars
        events = find_events(scalars)
        told["events"] = marks(events)
        told["phases"] = spans(phases(events, int(scalars["step"][-1])))
    return told


def _actions(app: FastAPI, place: Place, jobs: Jobs) -> None:
    @app.get("/api/jobs")
    def state() -> dict[str, Any]:
        return jobs.state()

    @app.post("/api/jobs")
    def start(
        preset: Annotated[str, Body()], settings: Annotated[dict[str, str] | None, Body()] = None
    ) -> dict[str, str]:
        return {"folder": jobs.start(preset, settings or {})}

    @app.post("/api/stop/{folder:path}")
    def stop(folder: str) -> dict[str, str]:
        place.run(folder)
        jobs.stop(folder)
        return {"folder": folder}

    @app.post("/api/resume/{folder:path}")
    def resume(folder: str) -> dict[str, str]:
        return {"folder": jobs.resume(place.run(folder), folder)}
