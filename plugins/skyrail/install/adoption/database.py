"""What is in a database of Airflow: DAGs, runs, connections; read in a transaction that cannot write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from skyrail.install.checks import Check, ok, refused, warn
from skyrail.operations.schema import look as revisions

BUNDLE = "dags"
"""Name of the chart's bundle of DAGs."""


@dataclass(frozen=True)
class Secret:
    """A value that Airflow encrypted with a Fernet key."""

    name: str
    """Such as `connection warehouse`."""
    token: str = field(repr=False)


@dataclass
class Content:
    """What an Airflow has in its database."""

    revisions: set[str] | None = None
    dags: int = 0
    runs: int = 0
    connections: int = 0
    variables: int = 0
    users: int = 0
    """Accounts of the FAB auth manager, which nobody asks any more."""
    active: dict[str, int] = field(default_factory=dict)
    """Runs that have not ended, by the bundle of their DAG."""
    alive: list[tuple[str, str]] = field(default_factory=list)
    """Kind and host of the processes that sent a heartbeat within the last minute."""
    pools: dict[str, int] = field(default_factory=dict)
    encrypted: list[Secret] = field(default_factory=list)


def look(address: str) -> Content:
    """Read a database, such as `postgresql://airflow@host/airflow`; libpq's own variables and files count, too.

    Raises:
        psycopg2.Error: it cannot be reached, or refuses.
    """
    import psycopg2

    content = Content(set(revisions(address).revisions) or None)
    if not content.revisions:
        return content
    connection = psycopg2.connect(address, connect_timeout=5)
    try:
        connection.set_session(readonly=True, autocommit=True)
        with connection.cursor() as cursor:
            _read(cursor, content)
    finally:
        connection.close()
    return content


def _read(cursor: Any, content: Content) -> None:
    def rows(query: str) -> list[tuple[Any, ...]]:
        cursor.execute(query)
        return list(cursor.fetchall())

    def there(table: str, column: str = "") -> bool:
        cursor.execute(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = ANY(current_schemas(false))"
            " AND table_name = %s AND (column_name = %s OR %s = '')",
            (table, column, column),
        )
        return bool(cursor.fetchone()[0])

    # Airflow 2 says it the other way round.
    living = "NOT is_stale" if there("dag", "is_stale") else "is_active"
    content.dags = rows(f"SELECT count(*) FROM dag WHERE {living}")[0][0]  # noqa: S608
    content.runs = rows("SELECT count(*) FROM dag_run")[0][0]
    content.connections = rows("SELECT count(*) FROM connection")[0][0]
    content.variables = rows("SELECT count(*) FROM variable")[0][0]
    content.pools = dict(rows("SELECT pool, slots FROM slot_pool ORDER BY pool"))
    if there("ab_user"):
        content.users = rows("SELECT count(*) FROM ab_user")[0][0]
    content.alive = rows(
        "SELECT DISTINCT job_type, hostname FROM job WHERE state = 'running' AND job_type IS NOT NULL"
        " AND latest_heartbeat > now() - interval '1 minute' ORDER BY 1, 2"
    )
    bundle = "dag.bundle_name" if there("dag", "bundle_name") else "''"
    content.active = dict(
        rows(
            f"SELECT coalesce({bundle}, ''), count(*) FROM dag_run LEFT JOIN dag USING (dag_id)"  # noqa: S608
            " WHERE dag_run.state IN ('running', 'queued') GROUP BY 1"
        )
    )
    for query in (
        "SELECT 'connection ' || conn_id, password FROM connection WHERE is_encrypted AND password <> ''",
        "SELECT 'connection ' || conn_id, extra FROM connection WHERE is_extra_encrypted AND extra <> ''",
        "SELECT 'variable ' || key, val FROM variable WHERE is_encrypted AND val <> ''",
    ):
        content.encrypted += [Secret(name, token) for name, token in rows(query)]


def alive(content: Content, release: str, *, install: bool) -> list[Check]:
    """Look for another installation at work on the database; hosts of the release are its own.

    Two would start the same tasks twice, and the older one fails once the tables are migrated.
    """
    others = [(kind, host) for kind, host in content.alive if not host.startswith(f"{release}-")]
    if not others:
        return []
    listed = ", ".join(f"{kind} on {host}" for kind, host in others[:3]) + (" …" if len(others) > 3 else "")
    found = f"Another installation is at work on this database: {listed}."
    return [(refused if install else warn)("Its processes", found, "Stop it before you install.")]


def describe(content: Content) -> list[Check]:
    """Return what people should know about the content before it is taken over."""
    if not content.revisions:
        return []
    found = (
        f"{content.dags} DAGs, {content.runs} runs, {content.connections} connections, {content.variables} variables,"
        f" {len(content.pools)} pools: all stay."
    )
    rows = [ok("Its content", found)]
    others = {name: many for name, many in content.active.items() if name != BUNDLE}
    if others:
        bundles = ", ".join(sorted(map(repr, others)))
        rows.append(
            warn(
                "Its runs",
                f"{sum(others.values())} have not ended, of {bundles}; the only bundle here is {BUNDLE!r}.",
                "Pause all DAGs there, and let runs end before you go on; tasks of those that are left will fail.",
            )
        )
    if content.users:
        rows.append(
            warn(
                "Its users",
                f"{content.users} accounts of Airflow's FAB are not used: there are no passwords here.",
                "People come in by your identity provider, and by links until then: docs/sign-in.md",
            )
        )
    return rows


def keys(encrypted: list[Secret], known: dict[str, str]) -> list[Check]:
    """Say which values open with which Fernet key.

    Args:
        encrypted: the values.
        known: Fernet keys, several in one separated by commas, by where each is from.
    """
    from cryptography.fernet import Fernet, InvalidToken

    if not encrypted:
        return [ok("Fernet key", "Nothing in the database is encrypted.")]
    opened: dict[str, int] = {}
    closed: set[str] = set()
    fernets: list[tuple[str, Fernet]] = []
    for source, text in known.items():
        parts = [each.strip() for each in text.split(",") if each.strip()]
        for at, each in enumerate(parts):
            try:
                fernets.append((source if len(parts) == 1 else f"key {at + 1} of {source}", Fernet(each.encode())))
            except ValueError:
                return [
                    refused("Fernet key", f"What {source} holds is no Fernet key.", "Copy it as it is, with its =.")
                ]
    for one in encrypted:
        for source, fernet in fernets:
            try:
                fernet.decrypt(one.token.encode())
            except InvalidToken:
                continue
            opened[source] = opened.get(source, 0) + 1
            break
        else:
            closed.add(one.name)
    rows = [ok("Fernet key", f"{many} encrypted values open with {source}.") for source, many in opened.items()]
    if closed:
        some = ", ".join(sorted(closed)[:5]) + (" …" if len(closed) > 5 else "")
        fix = (
            "Bring the old installation's key: put its [core] fernet_key under `fernet-key` of a Secret, with new"
            " values under `api-secret-key` and `jwt-secret`, and name it by secrets.airflow (--airflow-secret)."
        )
        why = "open with none of the keys that are known" if known else "need the key that they were encrypted with"
        rows.append(refused("Fernet key", f"{len(closed)} encrypted values {why}: {some}.", fix))
    return rows
