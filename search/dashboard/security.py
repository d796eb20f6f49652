"""The guard before all routes: this machine's own pages alone, only reading, headers that keep pages apart.

A server on loopback is reached by every page that a browser of this machine has open. One may send requests here from
its own origin, or give its host name this machine's address once it is loaded (DNS rebinding): both show in headers.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "HEAD")
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_SAME = ("same-origin", "none")
"""Values of ``Sec-Fetch-Site`` for a page's own requests, and for an address that was typed."""
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_UNTIL_SAID = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""Headers of a response that has none of its own."""
_INLINE = re.compile(r"<script(?: type=\"(?:importmap|module)\")?>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True)
class Refusal:
    """The status and the message of a request that is not answered."""

    status: int
    message: str


def refusal(method: str, headers: Headers, port: int) -> Refusal | None:
    """Return why a request is refused, by its method and headers; ``None`` for one that may pass."""
    if method not in _METHODS:
        return Refusal(405, "the dashboard only reads: GET and HEAD")
    hosts = [f"{name}:{port}" for name in _NAMES] + (list(_NAMES) if port == 80 else [])
    given = headers.getlist("host")
    if len(given) != 1 or given[0].lower() not in hosts:
        return Refusal(
            403, f"the dashboard answers to http://{hosts[0]} alone; from elsewhere keep the port: {_tunnel(port)}"
        )
    if any(origin.lower() not in [f"http://{host}" for host in hosts] for origin in headers.getlist("origin")):
        return Refusal(403, "another page asks: the dashboard answers its own pages alone")
    if any(site not in _SAME for site in headers.getlist("sec-fetch-site")) and not _follows_link(headers):
        return Refusal(403, "another site asks: the dashboard answers its own pages alone")
    return None


def _tunnel(port: int) -> str:
    return f"ssh -L {port}:127.0.0.1:{port} HOST"


def _follows_link(headers: Headers) -> bool:
    """Return True where a person follows a link to here, in a terminal within a browser for example.

    The other site learns nothing by it: it can neither read nor frame the page that opens.
    """
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def content_policy(html: str) -> str:
    """Return the Content-Security-Policy of a page: scripts and data from here, and the scripts that stand in it.

    Plotly sets styles, and makes functions of texts where it draws by WebGL.
    """
    scripts = " ".join(_hashes(_INLINE.findall(html)))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _hashes(texts: Iterable[str]) -> list[str]:
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class Guard:
    """An ASGI application before another, which gets only requests that may pass."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._port = app, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered; WebSockets are not."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_ALWAYS)
                for name, value in _UNTIL_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = refusal(scope["method"], Headers(scope=scope), self._port)
        if refused is None:
            await self._app(scope, receive, send_with_headers)
            return
        allowed = {"Allow": ", ".join(_METHODS)} if refused.status == 405 else {}
        answer = PlainTextResponse(refused.message + "\n", refused.status, allowed)
        await answer(scope, receive, send_with_headers)
