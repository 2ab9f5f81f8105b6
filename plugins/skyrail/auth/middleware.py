"""Refuse every request without a session, whatever route it is for: Airflow's, a plugin's, or none.

Airflow leaves authentication to each route, and a plugin's routes are open unless their author remembers. Here a path
is closed unless `OPEN` names it, with the reason.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jwt import ExpiredSignatureError, InvalidTokenError
from starlette._utils import get_route_path  # what Starlette's router matches, so that both see the same path
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response

from skyrail.auth.user import SkyrailUser

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

# Path -> why nobody needs a session there. A path that ends with "/" stands for everything below it.
OPEN: dict[str, str] = {
    "/auth/login": "says how to sign in",
    "/auth/link": "signs in with the one-time token that it is given",
    "/api/v2/auth/login": "sends the browser to /auth/login",
    "/api/v2/auth/logout": "ends the session that it is given; without one it changes nothing",
    "/api/v2/monitor/health": "probes of Kubernetes and load balancers have no identity; it tells states and times",
    "/static/": "files of Airflow's pages, the same in every installation",
    "/execution/": "tasks have tokens of their own, for another audience, which these routes verify",
}

# Below an open path, and closed all the same.
CLOSED: dict[str, str] = {
    "/execution/docs": "people read it, and people have a session",
    "/execution/docs/oauth2-redirect": "likewise",
    "/execution/redoc": "likewise",
    "/execution/openapi.json": "likewise",
    "/execution/changelog": "likewise",
}

_verified: ContextVar[tuple[str, SkyrailUser] | None] = ContextVar("skyrail_verified", default=None)


def verified_user(token: str) -> SkyrailUser | None:
    """Return the user of a token that the middleware has verified for the request at hand."""
    found = _verified.get()
    return found[1] if found is not None and found[0] == token else None


def is_open(path: str) -> bool:
    """Return whether a path, without the root path of the deployment, needs no session."""
    if path in OPEN:
        return True
    return path not in CLOSED and any(path.startswith(start) for start in OPEN if start.endswith("/"))


class RequireSession:
    """ASGI middleware that lets a request through with a valid session, in the cookie or as bearer token."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_open(get_route_path(scope))):
            await self.app(scope, receive, send)
            return
        token = session_token(Headers(scope=scope))
        if token is None:
            await _refuse(scope, receive, send, "Not signed in.")
            return
        try:
            user = await _verify(token)
        except ExpiredSignatureError:
            await _refuse(scope, receive, send, "The session has expired.")
            return
        except InvalidTokenError:
            await _refuse(scope, receive, send, "The session is not valid.")
            return
        reset = _verified.set((token, user))
        try:
            await self.app(scope, receive, send)
        finally:
            _verified.reset(reset)


def session_token(headers: Headers) -> str | None:
    """Return the token that a request carries; a bearer token wins over the cookie, as everywhere in Airflow."""
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return cookie_parser(headers.get("cookie", "")).get(COOKIE_NAME_JWT_TOKEN) or None


async def _verify(token: str) -> SkyrailUser:
    from airflow.api_fastapi.app import get_auth_manager

    return await get_auth_manager().get_user_from_token(token)  # type: ignore[return-value]


async def _refuse(scope: Scope, receive: Receive, send: Send, problem: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": problem})
        return
    from airflow.api_fastapi.app import get_auth_manager

    login = get_auth_manager().get_url_login()
    response: Response
    if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
        query = scope["query_string"].decode("latin-1")
        wanted = scope["path"] + (f"?{query}" if query else "")
        response = RedirectResponse(f"{login}?{urlencode({'next': wanted})}", status_code=303)
    else:
        # Airflow's pages answer 401 by going to the sign-in page themselves.
        detail = f"{problem} Sign in at {login}, or send a token as `Authorization: Bearer …`."
        response = JSONResponse({"detail": detail}, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    response.headers["Cache-Control"] = "no-store"
    await response(scope, receive, send)
