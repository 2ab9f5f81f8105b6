"""Fill the keys that Secrets of this namespace lack: `python -m skyrail.operations.secrets NAME/KEY …`.

`NAME/certificate:HOST,HOST…` stands for the three keys of a certificate for these hosts.

The chart renders Secrets without data, and this runs as a job whose service account may read and patch exactly those.
A key that is there is never changed: what is encrypted with it would be lost.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from skyrail.errors import SkyrailError
from skyrail.operations.certificates import KEYS, certificate
from skyrail.operations.cluster import Cluster, ClusterError

TRIES = 5

CERTIFICATE = "certificate:"
"""Before the hosts, in an argument."""


def password() -> str:
    """Return a new password, of letters and digits alone: it is part of addresses."""
    return secrets.token_hex(24)


def fernet_key() -> str:
    """Return a new key for Airflow's connections and variables."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def signing_key() -> str:
    """Return a new key for signatures, as long as those of HS512."""
    return secrets.token_urlsafe(64)


MAKERS: dict[str, Callable[[], str]] = {
    "password": password,
    "fernet-key": fernet_key,
    "jwt-secret": signing_key,
    "api-secret-key": signing_key,
}
"""How the value of a key is made, by the key's name."""


def wanted(arguments: Iterable[str]) -> dict[str, list[str]]:
    """Read `NAME/KEY` arguments: the keys of each Secret.

    Raises:
        SkyrailError: there is no such key, or the argument is none.
    """
    found: dict[str, list[str]] = {}
    for argument in arguments:
        name, _, key = argument.partition("/")
        hosts = key.removeprefix(CERTIFICATE).split(",") if key.startswith(CERTIFICATE) else []
        if not name or (key not in MAKERS and not all(hosts or [""])):
            raise SkyrailError(
                f"{argument!r} names no key of a Secret.",
                fix=f"Write NAME/KEY, with a key of {', '.join(MAKERS)}, or {CERTIFICATE}HOST.",
            )
        found.setdefault(name, []).append(key)
    return found


def missing(secret: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str]:
    """Return the data that a Secret lacks, as the API wants it: a new value for each key without one."""
    data = secret.get("data") or {}
    made: dict[str, str] = {}
    for key in keys:
        if key.startswith(CERTIFICATE):
            # The three fit together, or are of no use.
            if not all(data.get(part) for part in KEYS):
                made |= certificate(key.removeprefix(CERTIFICATE).split(","))
        elif not data.get(key):
            made[key] = MAKERS[key]()
    return {key: base64.b64encode(value.encode()).decode() for key, value in made.items()}


def fill(cluster: Cluster, name: str, keys: Iterable[str]) -> list[str]:
    """Give a Secret the keys that it lacks, and return their names.

    Raises:
        ClusterError: the API refuses, or does not answer.
    """
    for _ in range(TRIES):
        secret = cluster.call("GET", f"secrets/{name}")
        data = missing(secret, keys)
        if not data:
            return []
        # With its version: if another job was faster, the API refuses, and the keys of that one count.
        body = {"metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]}, "data": data}
        try:
            cluster.call("PATCH", f"secrets/{name}", body)
        except ClusterError as error:
            if error.status != 409:
                raise
            continue
        return sorted(data)
    raise ClusterError(f"The Secret {name} is being changed by somebody else all the time.")


def main(arguments: list[str] | None = None) -> int:
    """Fill all Secrets that the arguments name. Return the exit code."""
    try:
        cluster = Cluster.here()
        for name, keys in wanted(sys.argv[1:] if arguments is None else arguments).items():
            made = fill(cluster, name, keys)
            print(f"{name}: {'made ' + ', '.join(made) if made else 'has all its keys'}")
    except SkyrailError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
