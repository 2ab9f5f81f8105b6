"""Serve Airflow's API and pages, with Skyrail in them, on a free port; Airflow's environment says how.

Prints a JSON line {"port"} when it listens. Given the name of a file, it writes all routes there instead, as
[path, methods], those of mounted apps too.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def walk(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the path and methods of each route, below mounts too."""
    for route in routes:
        path, methods = prefix + getattr(route, "path", ""), getattr(route, "methods", None)
        below = getattr(getattr(route, "app", None), "routes", None)
        if methods is not None:
            yield path, sorted(methods)
        elif below is not None:
            yield from walk(below, path)
        else:  # a mounted application that tells nothing of what is in it, such as a folder of files
            yield f"{path}/", ["GET"]


async def write_routes(app: Any, file: Path) -> None:
    """Write all routes of the app."""
    import httpx

    # The Execution API makes its routes, one set for each of its versions, when it is first asked.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        (await client.get("/execution/health")).raise_for_status()
    file.write_text(json.dumps(list(walk(app.routes))))


def main() -> None:
    """Serve until killed, or write the routes."""
    import uvicorn
    from airflow.api_fastapi.app import create_app

    app = create_app()
    if len(sys.argv) > 1:
        asyncio.run(write_routes(app, Path(sys.argv[1])))
        return
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    os.dup2(2, 1)  # nobody reads the pipe any more, and one that is full would stop the server
    uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none")).run(sockets=[listener])


if __name__ == "__main__":
    main()
