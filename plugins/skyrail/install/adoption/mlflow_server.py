"""An MLflow server of somebody's own: does it answer, and does our client work with it?"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, version

from skyrail.install.checks import Check, ok, refused, unknown, warn

NAME = "MLflow"


def mlflow(address: str) -> list[Check]:
    """Ask a server for its version, and for one experiment as the flusher would."""
    if not address.startswith(("http://", "https://")):
        return [refused(NAME, f"{address} is no address of an HTTP server.", "Write https://mlflow.example.com")]
    base = address.rstrip("/")
    status, text = _ask(f"{base}/version")
    if status == 0:
        return [
            unknown(NAME, f"{address} does not answer from here: {text}", "See that the cluster reaches it."),
        ]
    rows = [judge(address, status, text, _ours())]
    if status == 200:
        body = json.dumps({"max_results": 1}).encode()
        rows += access(address, *_ask(f"{base}/api/2.0/mlflow/experiments/search", body))
    return rows


def judge(address: str, status: int, said: str, ours: str) -> Check:
    """Compare a server's version, which it said with a status, with our client's."""
    if status != 200:
        return _refusal(address, status, said)
    there = said.strip()
    major, minor = _numbers(there)
    if major < 3:
        return refused(
            NAME,
            f"{address} is MLflow {there}; our client ({ours}) records models as 3.0 and later have them.",
            "Upgrade the server (it migrates its database), or leave mlflow.url out to have one installed.",
        )
    if major > _numbers(ours)[0]:
        return warn(
            NAME,
            f"{address} is MLflow {there}, and our client {ours}: a new major version may refuse it.",
            "Try it first with a copy.",
        )
    if (major, minor) < _numbers(ours):
        return warn(
            NAME,
            f"{address} is MLflow {there}, older than our client {ours}, with which Skyrail is tested.",
            "Upgrade the server when you can.",
        )
    return ok(NAME, f"{address} is MLflow {there}; our client is {ours}.")


def access(address: str, status: int, said: str) -> list[Check]:
    """Judge the answer to a first question of the API."""
    if status == 200:
        return [ok("MLflow's API", "It answers without a sign-in, as Skyrail asks.")]
    return [_refusal(address, status, said)]


def _refusal(address: str, status: int, said: str) -> Check:
    if "Invalid Host header" in said:
        return refused(
            NAME,
            f"{address} refuses that name (Invalid Host header).",
            "Start the server with --allowed-hosts, or MLFLOW_SERVER_ALLOWED_HOSTS, and the name in it.",
        )
    if status in (401, 403):
        return refused(
            NAME,
            f"{address} asks for a sign-in (status {status}).",
            "The chart knows no password for it: let the cluster in without one, or have one installed.",
        )
    return refused(
        NAME, f"{address} answers with status {status}, and not as an MLflow server.", "Correct mlflow.url (--mlflow)."
    )


def _ask(url: str, body: bytes | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (it was checked to be http)
            return answer.status, answer.read(100_000).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(10_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(getattr(error, "reason", error))


def _ours() -> str:
    try:
        return version("mlflow-skinny")
    except PackageNotFoundError:
        return version("mlflow")


def _numbers(text: str) -> tuple[int, int]:
    parts = [part for part in text.split(".") if part.isdigit()]
    return (int(parts[0]), int(parts[1])) if len(parts) >= 2 else (0, 0)
