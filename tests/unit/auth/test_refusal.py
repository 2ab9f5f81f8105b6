"""Without a session nothing answers, except what is listed with its reason."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest
from tests.fakes.airflow_process import JWT_SECRET, AirflowServer

from skyrail.auth.middleware import OPEN, RequireSession, is_open


def claims(**changes: Any) -> dict[str, Any]:
    """Return what a good session token says, with changes; None leaves a claim out."""
    now = int(time.time())
    good = {
        "sub": "admin",
        "name": "admin",
        "roles": ["admin"],
        "jti": "0" * 32,
        "aud": "apache-airflow",
        "nbf": now - 60,
        "iat": now - 60,
        "exp": now + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(key: str = JWT_SECRET, algorithm: str = "HS512", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


ANOTHER_KEY = "another-secret-that-is-64-bytes-or-longer-and-signs-nothing-here!!"


def test_the_open_list_is_short():
    """A path is added here with a reason, never by accident."""
    assert set(OPEN) == {
        "/auth/login",
        "/auth/link",
        "/api/v2/auth/login",
        "/api/v2/auth/logout",
        "/api/v2/monitor/health",
        "/static/",
        "/execution/",
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/auth/login", True, id="00 the login page"),
        pytest.param("/auth/login/", False, id="10 something like it"),
        pytest.param("/auth/other", False, id="20 its neighbour"),
        pytest.param("/static/assets/index.js", True, id="30 a file of Airflow's pages"),
        pytest.param("/static", False, id="40 the folder itself"),
        pytest.param("/staticky", False, id="50 a plugin with a similar name"),
        pytest.param("/execution/task-instances/x/run", True, id="60 tasks have tokens of their own"),
        pytest.param("/execution/docs", False, id="70 but people read the documentation"),
        pytest.param("", False, id="80 nothing"),
        pytest.param("/", False, id="90 Airflow's page"),
    ],
)
def test_a_path_is_closed_unless_listed(path: str, expected: bool):
    """Only listed paths, and what is below listed folders, are open."""
    assert is_open(path) is expected


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed(exp=int(time.time()) - 60), id="00 expired"),
        pytest.param(signed(nbf=int(time.time()) + 600), id="10 not yet valid"),
        pytest.param(signed(key=ANOTHER_KEY), id="20 signed by somebody else"),
        pytest.param(jwt.encode(claims(), None, algorithm="none"), id="30 not signed"),
        pytest.param(signed(algorithm="HS256"), id="40 another algorithm"),
        pytest.param(signed(aud="urn:airflow.apache.org:task"), id="50 a task's token"),
        pytest.param(signed(aud=None), id="60 for nobody"),
        pytest.param(signed(exp=None), id="70 forever"),
        pytest.param(signed(sub=None), id="80 nobody"),
        pytest.param(signed(roles="admin"), id="90 roles of another shape"),
        pytest.param("x.y.z", id="100 no token at all"),
    ],
)
def test_a_token_that_is_not_good_opens_nothing(server: AirflowServer, token: str):
    """As cookie or as bearer token, for Airflow's routes and for a plugin's."""
    with server.browser() as browser:
        for path in ("/ui/auth/me", "/api/v2/version", "/skyrail/runs", "/anything"):
            for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"_token={token}"}):
                answer = browser.get(path, headers=headers | {"Accept": "application/json"})
                assert answer.status_code == 401, (path, headers)
                assert "Sign in at /auth/login" in answer.json()["detail"]
                assert answer.headers["www-authenticate"] == "Bearer"


def test_a_good_token_opens_both_ways(server: AirflowServer):
    """The refusals above are not for another reason."""
    with server.browser() as browser:
        for headers in ({"Authorization": f"Bearer {signed()}"}, {"Cookie": f"_token={signed()}"}):
            assert browser.get("/api/v2/version", headers=headers).status_code == 200


def test_a_token_without_roles_may_do_nothing(server: AirflowServer):
    """A session alone opens no DAG, connection or setting."""
    with server.browser() as browser:
        for path in ("/api/v2/dags", "/api/v2/connections", "/api/v2/variables", "/api/v2/config", "/api/v2/plugins"):
            answer = browser.get(path, headers={"Authorization": f"Bearer {signed(roles=None)}"})
            assert answer.status_code == 403, path


def test_a_bad_bearer_token_is_not_rescued_by_a_cookie(server: AirflowServer):
    """What is sent on purpose counts, as everywhere in Airflow."""
    with server.signed_in() as browser:
        headers = {"Authorization": "Bearer x", "Accept": "application/json"}
        assert browser.get("/api/v2/version", headers=headers).status_code == 401


def test_a_browser_is_sent_to_the_login_page_and_back(server: AirflowServer):
    """The page that was wanted comes along, with its query."""
    with server.browser() as browser:
        answer = browser.get("/dags/flights?tab=code&x=%2F")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/auth/login?next=%2Fdags%2Fflights%3Ftab%3Dcode%26x%3D%252F"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"])
def test_other_methods_are_refused_too(server: AirflowServer, method: str):
    """Only a page that a person opens is redirected."""
    with server.browser() as browser:
        assert browser.request(method, "/api/v2/dags").status_code == 401


def test_a_websocket_without_a_session_is_closed():
    """A plugin may serve websockets; they are closed before they open."""
    sent: list[dict[str, Any]] = []

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the application was reached")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/skyrail/live", "headers": [], "query_string": b""}
    asyncio.run(RequireSession(never)(scope, receive, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]
