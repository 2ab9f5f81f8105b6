"""Serve Airflow's API and pages, with Skyrail in them, on a free port; Airflow's environment says how.

Prints one JSON line {"port", "routes"} when it listens. A route is [path, methods]; mounted apps are walked too.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
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


def main() -> None:
    """Serve until killed."""
    import uvicorn
    from airflow.api_fastapi.app import create_app

    app = create_app()
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1], "routes": list(walk(app.routes))}), flush=True)
    os.dup2(2, 1)  # nobody reads the pipe any more, and one that is full would stop the server
    uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none")).run(sockets=[listener])


if __name__ == "__main__":
    main()
