"""Who may ask the dashboard for what: loopback names, a token for other hosts, no other site's pages.

A page of another site that is open in the same browser can send requests to a server on this machine; so each request
must name this server as its host (else a foreign name that resolves to 127.0.0.1 would do) and must not come from
another origin.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "latebloom-token"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
    " data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        host: the name that the server listens under.
        token: what every request must bring, in a cookie, a header `Authorization: Bearer …` or once as `?token=…`;
            None on loopback, where only this machine's users can connect.
    """

    host: str
    token: str | None = None

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that may not pass; None for one that may."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not (host == self.host or is_loopback(host) or (self.token is not None and _is_address(host))):
            return refused(403, f"expected this server's own name as host, got {host!r}")
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return refused(403, f"expected a request of this server's own pages, got one from {origin!r}")
        foreign = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        # a link from elsewhere may open a page, and may fetch nothing
        if foreign and (request.headers.get("sec-fetch-mode") != "navigate" or request.method != "GET"):
            return refused(403, "expected a request of this server's own pages, got one of another site")
        return None if self.token is None else self._checked(request, self.token)

    def _checked(self, request: Request, token: str) -> Response | None:
        given = request.query_params.get("token")
        if given is not None and _same(given, token):
            # the address without the token, so that it can be shared
            answer = RedirectResponse(str(request.url.remove_query_params("token")), 303)
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return answer
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if _same(request.cookies.get(COOKIE, ""), token) or (scheme.lower() == "bearer" and _same(bearer, token)):
            return None
        return refused(401, "expected the token that `latebloom serve` printed: open the address that it printed")


class Guard:
    """Lets through what `Access` allows, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self.access.refusal(Request(scope))
        await (refusal or self.app)(scope, receive, with_headers)


def refused(code: int, why: str) -> Response:
    """An answer that says what was expected."""
    return JSONResponse({"error": why}, code)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a name."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())
