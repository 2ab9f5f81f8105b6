"""Secrets that values name: are they there, with the keys that are read?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrail.install.checks import Check, ok, refused, unknown
from skyrail.install.values import at

KEYS = {
    "secrets.airflow": ("fernet-key", "api-secret-key", "jwt-secret"),
    "database.passwordSecret": ("password",),
    "mlflow.passwordSecret": ("password",),
    "broker.urlSecret": ("url",),
    "storage.keySecret": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "tls.secret": ("tls.crt", "tls.key", "ca.crt"),
}
"""Keys that are read of the Secret that a value names."""


def named(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the Secrets that values name, and the keys that each needs."""
    found: dict[str, list[str]] = {}
    for path, keys in KEYS.items():
        if name := at(values, path):
            found.setdefault(name, []).extend(key for key in keys if key not in found.get(name, []))
    for name in at(values, "image.pullSecrets") or []:
        found.setdefault(name, []).append(".dockerconfigjson")
    return found


def named_by_team(values: Mapping[str, Any], team: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the Secrets that the pods of a team's steps need in its namespace."""
    found: dict[str, list[str]] = {name: [] for name in team.get("secrets") or []}
    if name := at(values, "storage.keySecret"):
        found[name] = list(KEYS["storage.keySecret"])
    for name in at(values, "image.pullSecrets") or []:
        found[name] = [".dockerconfigjson"]
    # One that the chart makes itself is there to be copied only after the install.
    if at(values, "tls.web") and (name := at(values, "tls.secret")):
        found[name] = ["ca.crt"]
    return found


def secrets(
    wanted: Mapping[str, Sequence[str]], there: Mapping[str, Sequence[str] | None] | None, where: str
) -> list[Check]:
    """Compare the Secrets that are named with those that there are.

    Args:
        wanted: the keys that each needs.
        there: the keys that each has, None if it is not there; None for all if they may not be seen.
        where: the namespace.
    """
    if not wanted:
        return [ok("Secrets", "None is named; the chart makes its own.")]
    if there is None:
        return [unknown("Secrets", f"You may not see the Secrets {', '.join(wanted)}.")]
    rows = []
    for name, keys in wanted.items():
        has = there.get(name)
        lacking = [key for key in keys if key not in (has or ())]
        if has is not None and not lacking:
            continue
        literals = " ".join(f"--from-literal={key}=…" for key in keys or ["KEY"])
        create = f"kubectl --namespace {where} create secret"
        make = f"{create} generic {name} {literals}"
        if ".dockerconfigjson" in keys:
            make = f"{create} docker-registry {name} --docker-server=… --docker-username=… --docker-password=…"
        if has is None:
            rows.append(refused("Secrets", f"There is no Secret {name} in {where}.", make))
        else:
            rows.append(
                refused(
                    "Secrets",
                    f"The Secret {name} has no key {', '.join(lacking)}; it has {', '.join(has) or 'none'}.",
                    f"kubectl --namespace {where} edit secret {name}",
                )
            )
    return rows or [ok("Secrets", f"{', '.join(wanted)}: there, with their keys.")]
