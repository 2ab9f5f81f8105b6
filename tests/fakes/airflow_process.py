"""Start Airflow's api-server with Skyrail in a process and a home of its own, on SQLite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

JWT_SECRET = "a-secret-that-only-these-tests-use-and-that-is-64-bytes-or-longer!"


@dataclass(frozen=True)
class AirflowServer:
    """A running api-server."""

    home: Path
    url: str

    @property
    def login_links(self) -> Path:
        """Return the folder of the one-time links."""
        return self.home / "login"

    def browser(self) -> httpx.Client:
        """Return a client that keeps cookies and does not follow redirects, signed in to nothing."""
        return httpx.Client(base_url=self.url, headers={"Accept": "text/html,*/*;q=0.8"}, timeout=60)

    @contextmanager
    def signed_in(self) -> Iterator[httpx.Client]:
        """Yield a browser that has followed a sign-in link."""
        from skyrail.auth.links import create_link_token

        with self.browser() as browser:
            answer = browser.get("/auth/link", params={"token": create_link_token(self.login_links)})
            assert answer.status_code == 303, answer.text
            yield browser


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the server's processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SKYRAIL"))}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__SECRET_KEY": "a-secret-that-only-these-tests-use",
        "AIRFLOW__API_AUTH__JWT_SECRET": JWT_SECRET,
        "AIRFLOW__CORE__AUTH_MANAGER": "skyrail.auth.manager.SkyrailAuthManager",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS": str(home / "login"),
        **extra,
    }


@contextmanager
def airflow_server(home: Path, *, dags: Iterable[str] = (), **extra: str) -> Iterator[AirflowServer]:
    """Run the server, with empty DAGs of these names and extra environment variables, until the block ends."""
    env = environment(home, extra)
    (home / "dags").mkdir()
    for dag in dags:
        (home / "dags" / f"{dag}.py").write_text(f"from airflow.sdk import DAG\n\ndag = DAG({dag!r}, schedule=None)\n")
    with (home / "server.log").open("w+") as log:
        for command in (["db", "migrate"], *([["dags", "reserialize"]] if dags else [])):
            subprocess.run([sys.executable, "-m", "airflow", *command], env=env, check=True, stdout=log, stderr=log)
        command = [sys.executable, str(Path(__file__).with_name("airflow_server.py"))]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdout is not None
            try:
                started = next((line for line in process.stdout if line.startswith('{"port"')), "")
                if not started:
                    raise AssertionError(f"the server did not start:\n{(home / 'server.log').read_text()[-3000:]}")
                yield AirflowServer(home, f"http://127.0.0.1:{json.loads(started)['port']}")
            finally:
                process.kill()  # it has nothing to put in order
