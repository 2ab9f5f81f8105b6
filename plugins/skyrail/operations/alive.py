"""Tell whether a part of the platform does its work: `python -m skyrail.operations.alive [COMPONENT]`.

Exit code 0 when it does, 1 when it is dead or stalled, 2 for a wrong use. Probes run it every few seconds in every
container, so it imports the standard library and one client at most, never Airflow.

A part is asked for what only its own main loop can give: its heartbeat in Airflow's database, its answer over HTTP or
over Celery's broker, the mark that the flusher leaves. When the database or the broker itself is away, nobody can know,
and a restart would mend nothing: the part then counts as alive.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from skyrail.operations.options import from_environment
from skyrail.settings import airflow_home

HEARTBEAT_SECONDS = 60.0
"""How old the last heartbeat of a job may be. Airflow beats every 5 s, and calls a job dead after 30 s."""

FLUSHER_SECONDS = 900.0
"""How old the flusher's mark may be: one artifact of some gigabytes may take that long."""

ANSWER_SECONDS = 8.0
"""How long a part may take to answer; the probes' own limit is beyond it."""


@dataclass(frozen=True)
class Life:
    """Whether a part is alive, and a sentence that says how that is known."""

    alive: bool
    sentence: str


def job(kind: str) -> Life:
    """Look for this host's last heartbeat of a kind of job in Airflow's database."""
    import psycopg2

    scheme, _, rest = option("database", "sql_alchemy_conn").partition("://")
    address = f"{scheme.partition('+')[0]}://{rest}"  # libpq knows nothing of SQLAlchemy's drivers
    try:
        connection = psycopg2.connect(address, connect_timeout=int(ANSWER_SECONDS))
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT max(extract(epoch FROM latest_heartbeat)) FROM job"
                    " WHERE job_type = %s AND state = 'running' AND hostname = ANY(%s)",
                    (kind, hostnames()),
                )
                [(beat,)] = cursor.fetchall()
        finally:
            connection.close()
    except psycopg2.OperationalError as error:
        return Life(True, f"The database does not answer, so nobody can know: {str(error).strip()}")
    if beat is None:
        return Life(False, f"No {kind} of {', '.join(hostnames())} has ever sent a heartbeat.")
    # The heartbeat has this machine's own time, so the database's clock does not matter.
    age = time.time() - float(beat)
    return Life(age < HEARTBEAT_SECONDS, f"The last heartbeat of the {kind} is {age:.0f} s old.")


def http_answer(port: int, path: str, *, tls: bool = False) -> Life:
    """Ask a server of this container for anything; each answer is a sign of life."""
    start = time.monotonic()
    if tls:  # the certificate is for the name that others use
        context = ssl._create_unverified_context()  # noqa: S323
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=ANSWER_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Life(False, f"Port {port} does not answer {path}: {error or type(error).__name__}")
    finally:
        connection.close()
    return Life(True, f"Port {port} answered {path} with {status} in {time.monotonic() - start:.1f} s.")


def api_server() -> Life:
    """Ask the api-server for the health of all: that passes through its pool of threads."""
    root = urlsplit(os.environ.get("AIRFLOW__API__BASE_URL", "")).path.rstrip("/")
    port = int(os.environ.get("AIRFLOW__API__PORT", "8080"))
    return http_answer(port, f"{root}/api/v2/monitor/health", tls=bool(os.environ.get("AIRFLOW__API__SSL_CERT")))


def worker() -> Life:
    """Ask this host's Celery worker over the broker: its main loop answers, the one that also takes tasks."""
    from celery import Celery
    from kombu.exceptions import OperationalError

    name = f"celery@{socket.gethostname()}"
    broker = option("celery", "broker_url")
    app = Celery("alive", broker=broker, set_as_current=False)
    try:
        place = urlsplit(broker)
        if place.hostname and place.port:  # by itself, the client would try for longer than a probe may take
            socket.create_connection((place.hostname, place.port), timeout=3).close()
        answers = app.control.ping(destination=[name], timeout=ANSWER_SECONDS)
    except (OperationalError, OSError) as error:
        return Life(True, f"The broker does not answer, so nobody can know: {error}")
    return Life(bool(answers), f"{name} {'answered' if answers else f'was silent for {ANSWER_SECONDS:.0f} s'}.")


def flusher() -> Life:
    """Look at the mark that the flusher leaves at each round."""
    mark = Path(os.environ.get("AIRFLOW__SKYRAIL_TRACKING__SPOOL") or airflow_home() / "spool") / ".flusher"
    try:
        age = time.time() - mark.stat().st_mtime
    except OSError as error:
        return Life(False, f"The flusher has left no mark: {error}")
    return Life(age < FLUSHER_SECONDS, f"The last mark of the flusher is {age:.0f} s old.")


# The word of its command that tells a component -> how its life is known.
COMPONENTS: dict[str, Callable[[], Life]] = {
    "api-server": api_server,
    "scheduler": lambda: job("SchedulerJob"),
    "dag-processor": lambda: job("DagProcessorJob"),
    "triggerer": lambda: job("TriggererJob"),
    "worker": worker,
    "flusher": flusher,
    # A question that its database has to answer; /health is answered before all else.
    "mlflow": lambda: http_answer(
        int(os.environ.get("MLFLOW_PORT", "5000")),
        "/api/2.0/mlflow/experiments/search?max_results=1",
        tls=bool(os.environ.get("MLFLOW_TLS")),
    ),
}


def option(section: str, name: str) -> str:
    """Return an option of Airflow as Airflow finds it, without Airflow where the environment has it."""
    if value := from_environment(section, name):
        return value
    from airflow.configuration import conf  # a file or a secrets backend: right, and slow

    return str(conf.get(section, name))


def hostnames() -> list[str]:
    """Return the names under which Airflow may know this host, whatever `hostname_callable` says."""
    name = socket.gethostname()
    found = {name}
    if os.environ.get("AIRFLOW__CORE__HOSTNAME_CALLABLE") != "socket.gethostname":
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM, flags=socket.AI_CANONNAME)
        except OSError:
            answers = []
        found |= {answer[3] for answer in answers if answer[3]} | {str(answer[4][0]) for answer in answers}
    return sorted(found)


def running(process: Path = Path("/proc/1/cmdline")) -> str:
    """Return which component this container runs, from the command of its first process; empty: none of ours."""
    words = process.read_bytes().decode(errors="replace").split("\0")
    for word in words:
        name = word.rpartition(".")[2].replace("_server", "")
        if name in COMPONENTS:
            return name
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Print how the component is; return the exit code."""
    chosen = sys.argv[1:] if arguments is None else arguments
    name = chosen[0] if chosen else running()
    if not name:
        print("This container runs no part of the platform.")
        return 0
    if name not in COMPONENTS or len(chosen) > 1:
        print(f"There is no component {' '.join(chosen)!r}. Choose from: {', '.join(COMPONENTS)}.", file=sys.stderr)
        return 2
    life = COMPONENTS[name]()
    print(life.sentence)
    return 0 if life.alive else 1


if __name__ == "__main__":
    sys.exit(main())
