"""The pages: Runs, Models, one model. Each shows only what belongs to DAGs that the user may read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import API_ROOT_PATH, get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from skyrail.errors import TrackingError
from skyrail.tracking.reader import Attempts, TrackingReader
from skyrail.tracking.rows import PromotionRow
from skyrail.ui.inbox import read_inbox
from skyrail.ui.interval import drawing
from skyrail.ui.links import decided_by, mlflow_run, mlflow_version
from skyrail.ui.show import FILTERS

HERE = Path(__file__).parent
PAGE_SIZE = 50

HEADERS = {
    # No inline script or style, nothing from elsewhere, and no frame but Airflow's.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

templates = Jinja2Templates(directory=HERE / "templates")
templates.env.filters |= FILTERS
templates.env.globals |= {
    "drawing": drawing,
    "decided_by": decided_by,
    "mlflow_run": mlflow_run,
    "mlflow_version": mlflow_version,
    "is_promotion": lambda event: isinstance(event, PromotionRow),
    # Part of the files' addresses, so that a browser never mixes the files of two versions.
    "build": hashlib.sha256(b"".join(p.read_bytes() for p in sorted(HERE.glob("static/*")))).hexdigest()[:12],
}

router = APIRouter(dependencies=[Depends(get_user)])


def readable_dags(user: GetUserDep) -> set[str]:
    """Return the DAGs that the user may read; FastAPI runs this in a thread, since it asks the database."""
    # Not Airflow's own dependency for this: it looks for the auth manager in the wrong application.
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def may_look(user: GetUserDep) -> bool:
    """Return whether the user may see Skyrail's pages at all."""
    return get_auth_manager().is_authorized_custom_view(method="GET", resource_name="Skyrail", user=user)


Readable = Annotated[set[str], Depends(readable_dags)]
MayLook = Annotated[bool, Depends(may_look)]


@router.get("/")
async def start(request: Request) -> Response:
    """Go to the runs."""
    return RedirectResponse(f"{request.scope['root_path']}/runs")


@router.get("/runs")
async def runs(request: Request, readable: Readable, allowed: MayLook, dag_id: str = "", page: str = "") -> Response:
    """Show attempts of steps, newest first."""
    if not allowed:
        return _refused(request)
    problem = None
    try:
        attempts = await _reader(request).attempts(readable, dag_id=dag_id, page=page, size=PAGE_SIZE)
    except TrackingError as error:
        problem, attempts = error, Attempts((), "", ())
    return _page(request, "runs.html", attempts=attempts, dag_id=dag_id, page=page, problem=problem)


@router.get("/models")
async def models(request: Request, allowed: MayLook) -> Response:
    """Show the registered models."""
    if not allowed:
        return _refused(request)
    problem = None
    try:
        found = await _reader(request).models()
    except TrackingError as error:
        problem, found = error, ()
    return _page(request, "models.html", models=found, problem=problem)


@router.get("/models/{name:path}")
async def model(request: Request, name: str, readable: Readable, allowed: MayLook) -> Response:
    """Show the versions of a model, and every comparison and promotion."""
    if not allowed:
        return _refused(request)
    problem = None
    try:
        history = await _reader(request).model(name, readable)
    except TrackingError as error:
        problem, history = error, None
    status = 200 if history or problem else 404
    return _page(request, "model.html", status, name=name, history=history, problem=problem)


def _reader(request: Request) -> TrackingReader:
    return request.app.state.reader


def _refused(request: Request) -> HTMLResponse:
    context = {"root": request.scope["root_path"], "airflow": API_ROOT_PATH or "/"}
    return templates.TemplateResponse(request, "refused.html", context, status_code=403, headers=HEADERS)


def _page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    state = request.app.state
    context |= {
        "root": request.scope["root_path"],
        "airflow": API_ROOT_PATH or "/",
        "mlflow": state.mlflow_pages,
        "messages": read_inbox(state.inbox),
        "has_inbox": bool(state.inbox),
        "section": "runs" if template == "runs.html" else "models",
    }
    return templates.TemplateResponse(request, template, context, status_code=status, headers=HEADERS)
