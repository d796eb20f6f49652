"""The routes of the dashboard: the list, the page of each study, their content, and the files that they need."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from data.errors import FailureError, InputError
from results.page.assets import LIBRARIES, library, own_file, script
from results.page.page import live_page
from search.dashboard.listing import list_page
from search.dashboard.pages import Answer, Pages, why_not
from search.dashboard.security import Guard, content_policy
from search.dashboard.studies import Row, Studies

_ASSETS = "/assets"
_TYPES = {".js": "text/javascript", ".css": "text/css"}
_NOT_FOUND, _UNREADABLE = 404, 422


def application(folder: Path, port: int) -> Starlette:
    """Return the application that serves the studies of a folder under this port of loopback."""
    routes = _Routes(Studies(folder), Pages())
    served = Starlette(
        routes=[
            Route("/", routes.index),
            Route("/content", routes.list_content),
            Route("/studies", routes.listing),
            Route("/studies/{name}", routes.page),
            Route("/studies/{name}/content", routes.content),
            Route(_ASSETS + "/{name}", routes.asset),
        ],
        middleware=[Middleware(Guard, port=port)],
    )
    served.router.redirect_slashes = False
    return served


class _Routes:
    """The answers; each runs in a thread of its own."""

    def __init__(self, studies: Studies, pages: Pages) -> None:
        self._studies, self._pages = studies, pages

    def index(self, request: Request) -> Response:
        return _html(live_page("Studies", _ASSETS, "/content"))

    def listing(self, request: Request) -> Response:
        rows = [{**asdict(row), "url": _url(row)} for row in self._studies.rows()]
        said = {"folder": str(self._studies.folder), "studies": rows}
        body = json.dumps(said, allow_nan=False).encode()
        return _tagged(request, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', "application/json")

    def list_content(self, request: Request) -> Response:
        answer = Answer.of(list_page(str(self._studies.folder), self._studies.rows(), _url))
        return _tagged(request, answer.body, answer.tag, "application/json")

    def page(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self._studies.find(name) is None:
            return _gone(name)
        return _html(live_page(name, _ASSETS, f"/studies/{quote(name, safe='')}/content", home="/"))

    def content(self, request: Request) -> Response:
        name = request.path_params["name"]
        directory = self._studies.find(name)
        if directory is None:
            return _gone(name)
        try:
            row = self._studies.row(directory)
            answer = self._pages.answer(directory, row.state)
        except (InputError, FailureError, OSError) as error:
            if self._studies.find(name) is None:
                return _gone(name)
            return PlainTextResponse(why_not(error), _UNREADABLE)
        return _tagged(request, answer.body, answer.tag, "application/json")

    def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSET_NAMES:
            return PlainTextResponse("there is no such file", _NOT_FOUND)
        body, tag = _asset(name)
        kind = _TYPES[Path(name).suffix]
        return _tagged(request, body, tag, f"{kind}; charset=utf-8", cache="no-cache")


_ASSET_NAMES = (*LIBRARIES, "style.css", "app.js")


@cache
def _asset(name: str) -> tuple[bytes, str]:
    made = {"app.js": script, "style.css": lambda: own_file("style.css")}
    body = (made[name]() if name in made else library(name)).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _url(row: Row) -> str:
    return f"/studies/{quote(row.name, safe='')}"


def _html(text: str) -> Response:
    return HTMLResponse(text, headers={"Content-Security-Policy": content_policy(text)})


def _tagged(request: Request, body: bytes, tag: str, kind: str, cache: str = "no-store") -> Response:
    """Return a response whose body is left out where the asker has it already."""
    headers = {"ETag": tag, "Cache-Control": cache}
    asked = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


def _gone(name: str) -> Response:
    said = (
        f"There is no study {name} here, or none any more: it was moved or deleted. This page shows what it last had."
    )
    return PlainTextResponse(said, _NOT_FOUND)
