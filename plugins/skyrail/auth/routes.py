"""The sign-in pages: `/auth/link` takes a one-time link, `/auth/login` says how to get one."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from airflow.api_fastapi.app import API_BASE_URL, API_ROOT_PATH, get_auth_manager, get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.core_api.security import is_safe_url
from airflow.configuration import conf
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jwt import InvalidTokenError

from skyrail.auth.links import Redemption, redeem
from skyrail.auth.middleware import session_token
from skyrail.auth.roles import LINK_ROLE
from skyrail.auth.shared_links import DATABASE, redeem_shared
from skyrail.auth.user import SkyrailUser
from skyrail.settings import AuthSettings, load

templates = Jinja2Templates(directory=Path(__file__).parent / "templates")

# A link must not stay in caches, nor travel on in the Referer header of the page that it opens.
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

# How a link failed -> status, heading, what happened.
REFUSALS: dict[Redemption, tuple[int, str, str]] = {
    Redemption.USED: (410, "This sign-in link was used already", "A link signs in once."),
    Redemption.EXPIRED: (410, "This sign-in link has expired", "A link works for a few minutes after it was made."),
    Redemption.UNKNOWN: (403, "This sign-in link is not valid", "It may have been cut off when it was copied."),
}


def build_app() -> FastAPI:
    """Build the app with the sign-in pages."""
    app = FastAPI(title="Skyrail sign-in", docs_url=None, redoc_url=None, openapi_url=None)
    app.get("/link")(follow_link)
    app.get("/login")(login_page)
    return app


async def follow_link(request: Request, token: str = "", next: str = "") -> Response:  # noqa: A002 (Airflow's name)
    """Sign in with a one-time link and go on to `next`."""
    folder = load(AuthSettings).login_links
    if not folder:
        return _page(
            request,
            403,
            "Sign-in links are switched off",
            "This Skyrail accepts no sign-in links. Please ask the people who run it how to sign in.",
            command=False,
        )
    redemption = await _redeem(folder, token)
    if redemption is Redemption.ACCEPTED:
        response = RedirectResponse(_destination(request, next), status_code=303, headers=PRIVATE)
        _open_session(request, response, SkyrailUser(id="admin", name="admin", roles=(LINK_ROLE,)))
        return response
    if await _has_session(request):  # the link was opened twice, or from the browser's history
        return RedirectResponse(_destination(request, next), status_code=303, headers=PRIVATE)
    status, heading, reason = REFUSALS[redemption]
    return _page(request, status, heading, reason)


async def _redeem(kept: str, token: str) -> Redemption:
    if kept == DATABASE:
        return await run_in_threadpool(redeem_shared, token)
    return redeem(Path(kept), token)


async def login_page(request: Request, next: str = "") -> Response:  # noqa: A002 (Airflow's name)
    """Say how to sign in; somebody who is signed in goes on to `next`."""
    if await _has_session(request):
        return RedirectResponse(_destination(request, next), status_code=303, headers=PRIVATE)
    if not load(AuthSettings).login_links:
        reason = "This Skyrail has no way to sign in yet. Please ask the people who run it."
        return _page(request, 200, "You are not signed in", reason, command=False)
    return _page(request, 200, "You are not signed in", "Signing in takes one link, which works once.")


def _destination(request: Request, wanted: str) -> str:
    # A path of this server and nothing else: browsers read "http:///host", "//host" and "/\\host" as other servers.
    path = re.fullmatch(r"(?:https?://[^/\\\s]+)?(/(?![/\\])[^\\\x00-\x20\x7f]*)", wanted)
    if path and is_safe_url(wanted, request=request):
        return path.group(1)
    return API_BASE_URL if conf.get("api", "base_url", fallback="") else API_ROOT_PATH or "/"


def _is_https(request: Request) -> bool:
    return request.base_url.scheme == "https" or bool(conf.get("api", "ssl_cert", fallback=""))


def _open_session(request: Request, response: Response, user: SkyrailUser) -> None:
    path, secure = get_cookie_path(), _is_https(request)
    token = get_auth_manager().generate_jwt(user)
    response.set_cookie(COOKIE_NAME_JWT_TOKEN, token, path=path, httponly=True, secure=secure, samesite="lax")
    if path != "/":
        # A cookie left at "/" by another Airflow on this host would hide this one, as Airflow's own refresh notes.
        response.delete_cookie(COOKIE_NAME_JWT_TOKEN, path="/", httponly=True, secure=secure, samesite="lax")


async def _has_session(request: Request) -> bool:
    token = session_token(request.headers)
    if not token:
        return False
    try:
        await get_auth_manager().get_user_from_token(token)
    except InvalidTokenError:
        return False
    return True


def _page(request: Request, status: int, heading: str, reason: str, *, command: bool = True) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    typed = load(AuthSettings).login_command if command else ""
    context = {"heading": heading, "reason": reason, "command": typed, "nonce": nonce}
    headers = PRIVATE | {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return templates.TemplateResponse(request, "signin.html", context, status_code=status, headers=headers)
