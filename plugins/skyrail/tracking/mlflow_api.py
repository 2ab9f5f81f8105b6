"""The few read-only calls of MLflow's REST API that the pages need, over HTTP.

Not MLflow's own client: importing it in the api-server costs 100 MB and two seconds, for five JSON requests.
"""

from __future__ import annotations

import functools
import os
import ssl
from typing import Any

import httpx

from skyrail.errors import TrackingError

Json = dict[str, Any]


class MlflowApi:
    """Ask one MLflow server. Every call raises `TrackingError` when there is no answer in time."""

    def __init__(self, server: str, *, seconds: float = 10.0) -> None:
        self.server = server.rstrip("/")
        self._seconds = seconds

    @functools.cached_property
    def _client(self) -> httpx.AsyncClient:
        # Made on first use and kept: a new client costs more than a request, because it loads certificates.
        timeout = httpx.Timeout(self._seconds, connect=min(2.0, self._seconds))
        # By the variable that MLflow's own client has for it.
        authority = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
        verify = ssl.create_default_context(cafile=authority) if authority else True
        return httpx.AsyncClient(base_url=f"{self.server}/api/2.0/mlflow/", timeout=timeout, verify=verify)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, /, *, seconds: float | None = None, **params: Any) -> Json:
        """Call an endpoint that reads by address. `seconds` is how long it may take when that is longer than usual.

        Raises:
            TrackingError: no answer, or a refusal.
        """
        longer = {} if seconds is None else {"timeout": httpx.Timeout(seconds, connect=2.0)}
        return await self._call("GET", path, params={name: value for name, value in params.items() if value}, **longer)

    async def post(self, path: str, **body: Any) -> Json:
        """Call an endpoint that searches by body.

        Raises:
            TrackingError: no answer, or a refusal.
        """
        return await self._call("POST", path, json={name: value for name, value in body.items() if value})

    async def artifact(self, run: str, path: str) -> str:
        """Return the text of a file of a run, or nothing when the server does not hand it out.

        Raises:
            TrackingError: no answer.
        """
        try:
            answer = await self._client.get(f"{self.server}/get-artifact", params={"run_uuid": run, "path": path})
        except httpx.HTTPError as error:
            raise self._away(error) from error
        return answer.text if answer.is_success else ""

    async def pages(self, path: str, key: str, *, limit: int, **params: Any) -> list[Json]:
        """Return up to `limit` items of an endpoint that reads by address, over as many pages as that takes.

        Raises:
            TrackingError: no answer, or a refusal.
        """
        items: list[Json] = []
        token = ""
        while len(items) < limit:
            answer = await self.get(path, page_token=token, **params)
            items += answer.get(key, [])
            token = answer.get("next_page_token", "")
            if not token:
                break
        return items[:limit]

    async def _call(self, method: str, path: str, **content: Any) -> Json:
        try:
            answer = await self._client.request(method, path, **content)
            body = answer.json()
        except httpx.HTTPError as error:
            raise self._away(error) from error
        except ValueError as error:
            raise TrackingError(
                f"What answers at {self.server} is not an MLflow server.",
                fix="Check [skyrail_tracking] server: it is the address of MLflow, without a path of its pages.",
            ) from error
        if answer.is_success and isinstance(body, dict):
            return body
        code = body.get("error_code", "") if isinstance(body, dict) else ""
        reason = str(body.get("message", "") if isinstance(body, dict) else body)[:300]
        if code == "RESOURCE_DOES_NOT_EXIST":
            raise NotRecordedError(reason)
        raise TrackingError(
            f"The tracking server at {self.server} refused: {reason or answer.status_code}",
            fix="Its log says more. A page from an old link may have expired: start again from the newest.",
        )

    def _away(self, error: httpx.HTTPError) -> TrackingError:
        return TrackingError(
            f"The tracking server at {self.server} does not answer ({type(error).__name__}).",
            fix="What is recorded meanwhile is kept and appears here when the server is back. "
            "If it stays away, check that MLflow runs and that [skyrail_tracking] server is its address.",
        )


class NotRecordedError(TrackingError):
    """The server answers, and has nothing of that name."""


def quoted(text: str) -> str:
    """Return a text as a literal of MLflow's filter language.

    Raises:
        NotRecordedError: the text has both kinds of quotes, which no literal can hold, so nothing recorded has it.
    """
    for quote in "'\"":
        if quote not in text:
            return f"{quote}{text}{quote}"
    raise NotRecordedError(f"Nothing can be called {text[:100]!r}.")
