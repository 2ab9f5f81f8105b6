"""One-time links that every api-server of an installation accepts: used up in the database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from tests.fakes.airflow_process import JWT_SECRET, AirflowServer, airflow_server, environment

SETTINGS = {
    "AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS": "database",
    "AIRFLOW__SKYRAIL_AUTH__LOGIN_COMMAND": "skyrail login --namespace team",
    "AIRFLOW__API__BASE_URL": "https://airflow.example.com",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    settings = {key: value for key, value in SETTINGS.items() if "BASE_URL" not in key}
    with airflow_server(tmp_path_factory.mktemp("shared"), **settings) as server:
        yield server


def _python(server: AirflowServer, *arguments: str) -> str:
    """Run another process of the same installation."""
    env = environment(server.home, SETTINGS)
    done = subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _link(server: AirflowServer) -> str:
    return _python(server, "-m", "skyrail.cli", "login").splitlines()[-1]


def _token(server: AirflowServer) -> str:
    return _link(server).partition("?token=")[2]


def test_the_command_prints_a_link_to_the_address_of_the_installation(server: AirflowServer):
    assert _link(server).startswith("https://airflow.example.com/auth/link?token=")


def test_a_link_works_once_at_all_servers_together(server: AirflowServer):
    """The second attempt is made in another process, as at another api-server."""
    token = _token(server)
    with server.browser() as browser:
        assert browser.get("/auth/link", params={"token": token}).status_code == 303
        assert browser.get("/ui/auth/me").json()["id"] == "admin"
    code = f"from skyrail.auth.shared_links import redeem_shared; print(redeem_shared({token!r}).value)"
    assert _python(server, "-c", code).splitlines()[-1] == "used"
    with server.browser() as browser:
        answer = browser.get("/auth/link", params={"token": token})
        assert answer.status_code == 410
        assert "skyrail login --namespace team" in answer.text


def test_of_many_attempts_at_once_one_wins(server: AirflowServer):
    token = _token(server)

    def attempt(_: int) -> int:
        with server.browser() as browser:
            return browser.get("/auth/link", params={"token": token}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [303, *[410] * 7]


def _forged(**changes: object) -> str:
    claims = {"jti": "a" * 32, "iss": "skyrail", "aud": "skyrail:login", "iat": 1, "nbf": 1, "exp": 4_000_000_000}
    return jwt.encode({**claims, **changes}, str(changes.pop("key", JWT_SECRET)), algorithm="HS512")


@pytest.mark.parametrize(
    ("token", "status"),
    [
        pytest.param(_forged(exp=2), 410, id="00 expired"),
        pytest.param(_forged(aud="apache-airflow"), 403, id="10 a session is no link"),
        pytest.param(_forged(aud="urn:airflow.apache.org:task"), 403, id="20 a task's token is no link"),
        pytest.param(_forged(key="x" * 64), 403, id="30 signed by somebody else"),
        pytest.param(_forged(iss="other"), 403, id="40 of another installation"),
        pytest.param("", 403, id="50 nothing"),
        pytest.param("x" * 5000, 403, id="60 noise"),
        pytest.param(jwt.encode({"aud": "skyrail:login"}, JWT_SECRET, algorithm="HS512"), 403, id="70 without claims"),
        pytest.param(jwt.encode({"aud": "skyrail:login"}, None, algorithm="none"), 403, id="80 unsigned"),
    ],
)
def test_what_is_no_link_is_refused(server: AirflowServer, token: str, status: int):
    with server.browser() as browser:
        assert browser.get("/auth/link", params={"token": token}).status_code == status


def test_a_link_is_no_session(server: AirflowServer):
    """Whoever finds a link in a log cannot use it as a bearer token."""
    with server.browser() as browser:
        headers = {"Authorization": f"Bearer {_token(server)}", "Accept": "application/json"}
        answer = browser.get("/api/v2/dags", headers=headers)
        assert answer.status_code == 401
