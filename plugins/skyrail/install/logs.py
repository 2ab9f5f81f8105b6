"""What the last lines of a log mean, when a part does not start."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skyrail.install.manifests import Object
from skyrail.install.stuck import NEVER, SOON, UNTIL_DEADLINE, Stuck

OURS = re.compile(r"^Error: (?=.*\bdatabase\b)[^\n]+\n(?P<fix>[^\n]+)", re.MULTILINE)
"""How `skyrail.operations.schema` gives up on a database, with what to do: it has waited for a cure by itself."""

LOGS = (
    (r"password authentication failed|SASL authentication failed|no password supplied",
     "The database refuses the password: correct the Secret that database.passwordSecret names.", SOON),
    (r'database "[^"]*" does not exist', "Make the database, or correct database.name.", SOON),
    (r'role "[^"]*" does not exist', "Make the user, or correct database.user.", SOON),
    (r"could not translate host name|Name or service not known|Temporary failure in name resolution",
     "The database's name is not known in the cluster: correct database.host.", 2 * SOON),
    (r"no pg_hba\.conf entry|SSL (?:off|required)|does not support SSL",
     "Correct database.ssl, or let the cluster in.", SOON),
    (r"Connection refused|timeout expired|timed out|No route to host",
     "See that the cluster reaches the database: its host, port and firewall.", UNTIL_DEADLINE),
    (r"Can't locate revision|Revision .* is not present",
     "The database is of another release of Airflow: install that release of Skyrail, or restore it.", NEVER),
)  # fmt: skip
"""What last lines mean: what next, and how long to wait for a cure."""


def diagnosed(one: Stuck, log: str) -> Stuck:
    """Return what is stuck with the last lines of its log, and with what these mean."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()][-8:]
    if not lines:
        return one
    shown = "\n".join(f"    {line}" for line in lines)
    fix, patience = _meaning("\n".join(lines)) or (one.fix, one.patience)
    return Stuck(one.name, f"{one.reason} Its last lines:\n{shown}", fix, min(patience, one.patience))


def _meaning(text: str) -> tuple[str, float] | None:
    """Return what next, and how long to wait for a cure; None if the lines say nothing that is known."""
    if ours := OURS.search(text):
        return ours["fix"], NEVER
    known = ((fix, patience) for pattern, fix, patience in LOGS if re.search(pattern, text, re.IGNORECASE))
    return next(known, None)


def migrating(pods: Iterable[Object]) -> list[Stuck]:
    """Return the pods of migrations that run: only their log says what they wait for, or how far they are."""
    found = []
    for pod in pods:
        if pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") != "migrations":
            continue
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            if (container.get("state") or {}).get("running"):
                name = pod["metadata"]["name"]
                log = (name, "--container", container["name"])
                found.append(Stuck(f"pod/{name}", "Migrations are not done.", "", UNTIL_DEADLINE, log))
    return found
