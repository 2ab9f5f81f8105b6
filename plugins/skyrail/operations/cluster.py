"""The API of the cluster that this pod runs in, as its service account: the standard library is enough for it."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrail.errors import SkyrailError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

MERGE_PATCH = "application/merge-patch+json"


class ClusterError(SkyrailError):
    """The cluster's API cannot be reached, or refuses."""

    def __init__(self, message: str, *, fix: str = "", status: int = 0) -> None:
        super().__init__(message, fix=fix)
        self.status = status


@dataclass(frozen=True)
class Cluster:
    """Calls of the API within one namespace."""

    address: str
    namespace: str
    token: Callable[[], str]
    """Asked for each call: the cluster replaces the file every hour."""
    trust: ssl.SSLContext | None = None
    patience: float = 60.0
    """Seconds to go on trying an API that does not answer: network policies of a new pod take a moment."""

    @classmethod
    def here(cls, account: Path = ACCOUNT) -> Cluster:
        """Return the cluster of this pod.

        Raises:
            ClusterError: the pod has no service account's token.
        """
        try:
            namespace = (account / "namespace").read_text().strip()
            trust = ssl.create_default_context(cafile=str(account / "ca.crt"))
            host = os.environ["KUBERNETES_SERVICE_HOST"]
        except (OSError, KeyError) as error:
            raise ClusterError(
                f"This program runs in a pod with a service account's token, and here is none ({error}).",
                fix="The chart runs it as a job. `kubectl describe job` shows the job's service account.",
            ) from None
        port = os.environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
        address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        return cls(address, namespace, lambda: (account / "token").read_text().strip(), trust)

    def call(self, method: str, path: str, body: Any = None, *, content: str = MERGE_PATCH) -> Any:
        """Call the API at a path below the namespace, such as `secrets/skyrail-airflow`; return what it answers.

        Raises:
            ClusterError: with the answer's status; 0 if there was no answer in time.
        """
        url = f"{self.address}/api/v1/namespaces/{self.namespace}/{path}"
        data = None if body is None else json.dumps(body).encode()
        deadline = time.monotonic() + self.patience
        while True:
            request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 (the address is ours)
            request.add_header("Authorization", f"Bearer {self.token()}")
            request.add_header("Accept", "application/json")
            if data is not None:
                request.add_header("Content-Type", content)
            try:
                with urllib.request.urlopen(request, timeout=10, context=self.trust) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code != 429:
                    raise ClusterError(
                        f"The cluster's API refuses to {method} {path}: {_reason(error)}", status=error.code
                    ) from None
                problem = str(error)
            except (OSError, ValueError) as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"The cluster's API at {self.address} does not answer: {problem}",
                    fix="See that the value networkPolicies.kubernetesApi names its address and port.",
                )
            time.sleep(1.0)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return str(error)
