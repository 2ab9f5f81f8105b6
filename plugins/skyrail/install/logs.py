"""What the last lines of a log mean, when a part does not start."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skyrail.install.manifests import Object
from skyrail.install.stuck import NEVER, SOON, UNTIL_DEADLINE, Stuck

OURS = re.compile(r"^Error: (?=.*\bdatabase\b)[^\n]+\n(?P<fix>[^\n]+)", re.MULTILINE)
"""How `skyrail.operations.schema` gives up on a database, with what to do: it has waited for a cure by itself."""

LOGS = (
    (r"password authentication failed|refuses the password|SASL authentication failed|no password supplied",
     "The database refuses the password: correct the Secret that database.passwordSecret names, and restart what has"
     " the old one: kubectl rollout restart deployment RELEASE-pgbouncer.", SOON),
    (r'database "[^"]*" does not exist', "Make the database, or correct database.name.", SOON),
    (r'role "[^"]*" does not exist', "Make the user, or correct database.user.", SOON),
    (r"could not translate host name|Name or service not known|Temporary failure in name resolution",
     "The database's name is not known in the cluster: correct database.host.", 2 * SOON),
    (r"no pg_hba\.conf entry|SSL (?:off|required)|does not support SSL",
     "Correct database.ssl, or let the cluster in.", SOON),
    (r"Connection refused|timeout expired|timed out|No route to host",
     "See that the cluster reaches the database: its host, port and firewall.", UNTIL_DEADLINE),
    # The sentences of skyrail.operations, which say what to do themselves.
    (r"lets nobody in without TLS|does not let the user|there is no database|knows no user|offers no TLS"
     r"|database at \S+ cannot be trusted", "Its last lines say what to do.", SOON),
    (r"newer release than this image|that of an Airflow 2|belongs to another program",
     "Its last lines say what to do.", NEVER),
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


def waiting_for_database(pods: Sequence[Object]) -> list[Stuck]:
    """Return the pods whose log alone says what the database answers, or how far migrations are.

    While migrations are at it, only theirs: the others wait for them.
    """
    migrating = [pod for pod in pods if _migrates(pod) and (pod.get("status") or {}).get("phase") != "Succeeded"]
    found = []
    for pod in migrating or pods:
        status, name = pod.get("status") or {}, pod["metadata"]["name"]
        for container in status.get("containerStatuses" if migrating else "initContainerStatuses") or []:
            if (migrating or container["name"] == "wait") and (container.get("state") or {}).get("running"):
                said = "Migrations are not done." if migrating else "It waits for the database."
                log = (name, "--container", container["name"])
                found.append(Stuck(f"pod/{name}", said, "", UNTIL_DEADLINE, log))
    return found


def _migrates(pod: Object) -> bool:
    return pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "migrations"
