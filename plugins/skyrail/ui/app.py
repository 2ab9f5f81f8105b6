"""The app with Skyrail's pages, which Airflow mounts at `/skyrail`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from skyrail.settings import NotificationSettings, TrackingSettings, load
from skyrail.tracking.reader import TrackingReader
from skyrail.ui.routes import router


def build_app() -> FastAPI:
    """Build the app; it reads Skyrail's settings once, as every process of Airflow does."""
    tracking = load(TrackingSettings)
    # A page that waits as long as a flusher may is no page: say soon that the server is away.
    reader = TrackingReader(tracking.server, seconds=min(tracking.request_seconds, 5.0))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await reader.close()

    app = FastAPI(title="Skyrail", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.reader = reader
    app.state.mlflow_pages = (tracking.browser_url or tracking.server).rstrip("/")
    app.state.inbox = load(NotificationSettings).inbox
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.include_router(router)
    return app
