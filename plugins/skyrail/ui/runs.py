"""The pages about runs: the table, one attempt in full, its curves, and what Airflow's tabs lead to."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from skyrail.errors import TrackingError
from skyrail.tracking import filters, reader
from skyrail.tracking.details import Detail, Latest
from skyrail.tracking.filters import FilterError
from skyrail.tracking.lineage import Lineage
from skyrail.tracking.paging import NEWEST_FIRST, Order, Page
from skyrail.tracking.reader import Attempts, File
from skyrail.tracking.rows import AttemptRow
from skyrail.ui import columns as table
from skyrail.ui.addresses import view as read_view
from skyrail.ui.render import HEADERS, MayLook, MayReadCode, Readable, page, refused, tracking

router = APIRouter()

PAGE_SIZE = 50
TRIES = 20
CURVES = 8
"""So many curves a page draws when nobody has chosen any."""
MOST_CURVES = 24

Words = Annotated[list[str] | None, Query()]
FilterText = Annotated[str, Query(alias="filter")]


@router.get("/runs")
async def runs(
    request: Request,
    readable: Readable,
    allowed: MayLook,
    dag_id: str = "",
    run_id: str = "",
    text: FilterText = "",
    columns: Words = None,
    sort: str = "",
    page_: Annotated[str, Query(alias="page")] = "",
) -> Response:
    """Show a page of attempts of steps, newest first unless sorted otherwise."""
    if not allowed:
        return refused(request)
    view = read_view(dag_id, run_id, text, columns, sort, page_)
    problem: TrackingError | None = None
    mistake: FilterError | None = None
    status, found, order, chosen = 200, Attempts(), NEWEST_FIRST, None
    try:
        try:
            order = Order.read(sort)
            chosen = None if view.columns is None else table.read(view.columns)
            clauses = tuple(filters.clauses(view.filter))
            query = reader.Query(dag_id, run_id, clauses=clauses, order=order, page=Page.read(page_))
        except FilterError as error:
            mistake, status = error, 400
            found = Attempts(dag_ids=await tracking(request).dag_ids(readable))
        else:
            found = await tracking(request).attempts(readable, query, size=PAGE_SIZE)
    except TrackingError as error:
        problem = error
    shown = table.default(found.rows) if chosen is None and dag_id else chosen
    return page(
        request,
        "runs.html",
        status,
        section="runs",
        attempts=found,
        view=view,
        order=order,
        columns=shown,
        offered=table.offered(found.rows, shown or ()),
        mistake=mistake,
        problem=problem,
    )


@router.get("/attempts")
async def latest(
    request: Request,
    readable: Readable,
    allowed: MayLook,
    dag_id: str = "",
    run_id: str = "",
    task_id: str = "",
    map_index: str = "",
) -> Response:
    """Go to the latest try of a task instance: where Airflow's tab leads."""
    if not allowed:
        return refused(request)
    try:
        tries = await _tries(request, readable, dag_id, run_id, task_id, _index(map_index))
    except TrackingError as error:
        return page(request, "attempt.html", section="runs", attempt=None, problem=error)
    if tries:
        return RedirectResponse(f"{request.scope['root_path']}/runs/{tries[0].attempt_id}", headers=HEADERS)
    return page(request, "attempt.html", 404, section="runs", attempt=None, problem=None)


@router.get("/runs/{attempt_id}")
async def attempt(
    request: Request,
    attempt_id: str,
    readable: Readable,
    allowed: MayLook,
    may_read_code: MayReadCode,
    curves: Words = None,
    x: str = "",
) -> Response:
    """Show one attempt in full."""
    if not allowed:
        return refused(request)
    found: Detail | None = None
    tries: list[AttemptRow] = []
    lineage = Lineage((), (), 0, 0, more_below=False)
    files: tuple[File, ...] = ()
    code = False
    problem = None
    try:
        found = await tracking(request).attempt(readable, attempt_id)
        if found is not None:
            row = found.row
            code = await asyncio.to_thread(may_read_code, row.dag_id)
            tries, lineage, files = await asyncio.gather(
                _tries(request, readable, row.dag_id, row.run_id, row.task_id, row.map_index),
                tracking(request).lineage(readable, found),
                tracking(request).files(found, code=code),
            )
    except TrackingError as error:
        problem = error
    return page(
        request,
        "attempt.html",
        200 if found or problem else 404,
        section="runs",
        attempt=found,
        tries=[each for each in tries if each.attempt_id != attempt_id],
        lineage=lineage,
        files=files,
        code=code,
        readable=readable,
        drawn=_drawn(found, curves) if found else [],
        x="time" if x == "time" or (not x and found and all(not each.step for each in found.metrics)) else "step",
        problem=problem,
    )


@router.get("/runs/{attempt_id}/curves")
async def curve(
    request: Request,
    attempt_id: str,
    metric: str,
    readable: Readable,
    allowed: MayLook,
    first: int | None = None,
    last: int | None = None,
) -> Response:
    """Return a metric's curve as JSON, at most 500 points of it; of the steps `first` to `last` when given."""
    if not allowed:
        return JSONResponse({"problem": "Your account may not see this."}, 403, headers=HEADERS)
    steps = None if first is None or last is None else (min(first, last), max(first, last))
    try:
        found = await tracking(request).curve(readable, attempt_id, metric, steps=steps)
    except TrackingError as error:
        return JSONResponse({"problem": error.message}, 502, headers=HEADERS)
    if found is None:
        return JSONResponse({"problem": "No such attempt is on record."}, 404, headers=HEADERS)
    drawn, over = found
    # MLflow sorts a long history anew at each question; once the attempt is over the answer stays the same.
    keep = {"Cache-Control": "private, max-age=600"} if over else {}
    return JSONResponse(drawn.to_json(), headers=HEADERS | keep)


async def _tries(
    request: Request, readable: set[str], dag_id: str, run_id: str, task_id: str, map_index: int | None
) -> list[AttemptRow]:
    if not (dag_id and run_id and task_id):
        return []
    query = reader.Query(dag_id, run_id, task_id, map_index, models=False)
    return list((await tracking(request).attempts(readable, query, size=TRIES)).rows)


def _drawn(found: Detail, chosen: list[str] | None) -> list[Latest]:
    """Return the metrics to draw: the chosen ones, or some that look like curves."""
    if chosen is not None:
        words = [part.strip() for each in chosen for part in each.split(",")]
        return [each for each in found.metrics if each.name in words][:MOST_CURVES]
    # One value printed once has step 0, and so has a curve over time; the browser leaves out what has one point only.
    return sorted(found.metrics, key=lambda each: (each.step == 0, each.name))[:CURVES]


def _index(text: str) -> int | None:
    # Airflow leaves the placeholder as it is where a task is not mapped.
    return int(text) if text.removeprefix("-").isdecimal() else None
