"""A Kubernetes API with the Secrets and pods of one namespace: enough for the programs that run in the cluster."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from skyrail.operations.cluster import Cluster

TOKEN = "token-of-the-service-account"


class FakeApi:
    """Its objects, by path below the namespace, and the calls that it got."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.before_patch: Callable[[], None] = lambda: None
        self.failures: list[int] = []
        """Statuses to answer with before anything else."""

    def secret(self, name: str, data: dict[str, str] | None = None) -> None:
        """Add a Secret, without data as the chart renders it unless given."""
        self.objects[f"secrets/{name}"] = {
            "metadata": {"name": name, "resourceVersion": "1"},
            **({"data": data} if data else {}),
        }

    def patch(self, path: str, body: dict[str, Any]) -> int:
        """Merge a patch, unless it is for another version of the object. Return the status."""
        found = self.objects[path]
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, found["metadata"]["resourceVersion"]):
            return 409
        found.setdefault("data", {}).update(body["data"])
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        return 200


@contextmanager
def fake_api() -> Iterator[tuple[FakeApi, Cluster]]:
    """Run one, and yield it with a client."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            path = self.path.removeprefix("/api/v1/namespaces/team/").partition("?")[0]
            api.calls.append((self.command, path))
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            if api.failures:
                return self.answer(api.failures.pop(0), {"message": "not now"})
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self.answer(401, {"message": "who are you"})
            if path == "pods":
                pods = [one for key, one in api.objects.items() if key.startswith("pods/")]
                return self.answer(200, {"items": pods})
            if path not in api.objects:
                return self.answer(404, {"message": f"{path} not found"})
            if self.command == "DELETE":
                return self.answer(200, api.objects.pop(path))
            if self.command == "PATCH":
                assert self.headers["Content-Type"] == "application/merge-patch+json"
                hook, api.before_patch = api.before_patch, lambda: None
                hook()
                return self.answer(api.patch(path, body), {"message": "patched"})
            return self.answer(200, api.objects[path])

        do_GET = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def answer(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api, Cluster(f"http://127.0.0.1:{server.server_port}", "team", lambda: TOKEN, patience=5.0)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
