"""What all pages share: who may see them, how they are rendered, and the headers they are sent with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import API_ROOT_PATH, get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models import DagModel
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from skyrail.tracking import names
from skyrail.tracking.reader import TrackingReader
from skyrail.tracking.rows import PromotionRow
from skyrail.ui.columns import cell
from skyrail.ui.inbox import read_inbox
from skyrail.ui.interval import drawing
from skyrail.ui.links import airflow_attempt, decided_by, mlflow_file, mlflow_run, mlflow_version
from skyrail.ui.show import FILTERS

HERE = Path(__file__).parent

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
    "names": names,
    "cell": cell,
    "drawing": drawing,
    "decided_by": decided_by,
    "airflow_attempt": airflow_attempt,
    "mlflow_file": mlflow_file,
    "mlflow_run": mlflow_run,
    "mlflow_version": mlflow_version,
    "is_promotion": lambda event: isinstance(event, PromotionRow),
    # Part of the files' addresses, so that a browser never mixes the files of two versions.
    "build": hashlib.sha256(
        b"".join(path.read_bytes() for path in sorted(HERE.glob("static/**/*")) if path.is_file())
    ).hexdigest()[:12],
}


def readable_dags(user: GetUserDep) -> set[str]:
    """Return the DAGs that the user may read; FastAPI runs this in a thread, since it asks the database."""
    # Not Airflow's own dependency for this: it looks for the auth manager in the wrong application.
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def may_look(user: GetUserDep) -> bool:
    """Return whether the user may see Skyrail's pages at all."""
    return get_auth_manager().is_authorized_custom_view(method="GET", resource_name="Skyrail", user=user)


def may_read_code(user: GetUserDep) -> Callable[[str], bool]:
    """Return what tells whether the user may read a DAG's code. It asks the database: call it in a thread."""

    def may_read(dag_id: str) -> bool:
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        return get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.CODE, details=details, user=user
        )

    return may_read


Readable = Annotated[set[str], Depends(readable_dags)]
MayLook = Annotated[bool, Depends(may_look)]
MayReadCode = Annotated[Callable[[str], bool], Depends(may_read_code)]


def tracking(request: Request) -> TrackingReader:
    """Return the reader of the record."""
    return request.app.state.reader


def refused(request: Request) -> HTMLResponse:
    """Return the page for those who may not see the pages."""
    context = {"root": request.scope["root_path"], "airflow": API_ROOT_PATH or "/"}
    return templates.TemplateResponse(request, "refused.html", context, status_code=403, headers=HEADERS)


def page(request: Request, template: str, status: int = 200, *, section: str, **context: Any) -> HTMLResponse:
    """Render a page. `section` is the part of the navigation that it belongs to."""
    state = request.app.state
    context |= {
        "root": request.scope["root_path"],
        "airflow": API_ROOT_PATH or "/",
        "mlflow": state.mlflow_pages,
        "messages": read_inbox(state.inbox),
        "has_inbox": bool(state.inbox),
        "section": section,
    }
    return templates.TemplateResponse(request, template, context, status_code=status, headers=HEADERS)
