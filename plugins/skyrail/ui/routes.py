"""The pages: Runs, Models, one model. Each shows only what belongs to DAGs that the user may read."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import get_user
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from skyrail.errors import TrackingError
from skyrail.ui.render import MayLook, Readable, page, refused, tracking
from skyrail.ui.runs import router as runs

router = APIRouter(dependencies=[Depends(get_user)])
router.include_router(runs)


@router.get("/")
async def start(request: Request) -> Response:
    """Go to the runs."""
    return RedirectResponse(f"{request.scope['root_path']}/runs")


@router.get("/models")
async def models(request: Request, allowed: MayLook) -> Response:
    """Show the registered models."""
    if not allowed:
        return refused(request)
    problem = None
    try:
        found = await tracking(request).models()
    except TrackingError as error:
        problem, found = error, ()
    return page(request, "models.html", section="models", models=found, problem=problem)


@router.get("/models/{name:path}")
async def model(request: Request, name: str, readable: Readable, allowed: MayLook) -> Response:
    """Show the versions of a model, and every comparison and promotion."""
    if not allowed:
        return refused(request)
    problem = None
    try:
        history = await tracking(request).model(name, readable)
    except TrackingError as error:
        problem, history = error, None
    status = 200 if history or problem else 404
    return page(request, "model.html", status, section="models", name=name, history=history, problem=problem)
