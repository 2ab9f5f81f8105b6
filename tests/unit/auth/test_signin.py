"""Signing in and out of a real api-server."""

from __future__ import annotations

import pytest
from tests.fakes.airflow_process import AirflowServer

from skyrail.auth.links import create_link_token


def test_a_link_opens_a_session(server: AirflowServer):
    """The cookie is Airflow's own, and neither the link nor the page after it leaks the token."""
    with server.browser() as browser:
        answer = browser.get("/auth/link", params={"token": create_link_token(server.login_links)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        cookie = {part.strip().split("=")[0].lower() for part in answer.headers["set-cookie"].split(";")}
        assert cookie == {"_token", "httponly", "path", "samesite"}
        assert browser.get("/ui/auth/me").json() == {"id": "admin", "username": "admin"}


def test_behind_https_the_cookie_is_secure(server: AirflowServer):
    """A browser sends the session over https only, when that is how it came."""
    with server.browser() as browser:
        answer = browser.get(
            "/auth/link",
            params={"token": create_link_token(server.login_links)},
            headers={"X-Forwarded-Proto": "https"},
        )
        assert "; secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        pytest.param("/dags/flights?tab=code", "/dags/flights?tab=code", id="00 a page of ours"),
        pytest.param("/plugin/skyrail", "/plugin/skyrail", id="10 the Skyrail page"),
        pytest.param("https://evil.example/", "/", id="20 another host"),
        pytest.param("//evil.example/", "/", id="30 another host without scheme"),
        pytest.param("/\\evil.example", "/", id="40 what a browser reads as another host"),
        pytest.param("javascript:alert(1)", "/", id="50 a script"),
        pytest.param("%2F%2Fevil.example", "/", id="60 encoded twice"),
        pytest.param("http:///evil.example/x", "/", id="70 what a browser mends into another host"),
        pytest.param("http:/evil.example/x", "/", id="71 likewise"),
        pytest.param("/\t/evil.example", "/", id="72 what a browser takes a tab out of"),
    ],
)
def test_a_link_leads_on_within_this_site_only(server: AirflowServer, wanted: str, location: str):
    """`next` is followed when it is a page here."""
    with server.browser() as browser:
        answer = browser.get("/auth/link", params={"token": create_link_token(server.login_links), "next": wanted})
        assert (answer.status_code, answer.headers["location"]) == (303, location)


def test_a_used_link_says_what_to_do(server: AirflowServer):
    """A second person with the link is told to ask for a new one."""
    token = create_link_token(server.login_links)
    with server.browser() as first, server.browser() as second:
        first.get("/auth/link", params={"token": token})
        answer = second.get("/auth/link", params={"token": token})
        assert answer.status_code == 410
        assert "used already" in answer.text
        assert "skyrail login" in answer.text
        assert "_token" not in second.cookies
        # The same browser again, from its history: it is signed in, so it goes on.
        assert first.get("/auth/link", params={"token": token}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("lifetime", "cut", "status", "words"),
    [
        pytest.param(-1, 0, 410, "has expired", id="00 too old"),
        pytest.param(900, 5, 403, "cut off", id="10 cut off"),
    ],
)
def test_a_dead_link_says_why(server: AirflowServer, lifetime: float, cut: int, status: int, words: str):
    """Each reason has its page, with what to do."""
    token = create_link_token(server.login_links, lifetime_seconds=lifetime)
    with server.browser() as browser:
        answer = browser.get("/auth/link", params={"token": token[: len(token) - cut]})
        assert answer.status_code == status
        assert words in answer.text
        assert "skyrail login" in answer.text


def test_the_login_page_needs_nothing_from_elsewhere(server: AirflowServer):
    """It works without a network, and its policy lets it load nothing."""
    with server.browser() as browser:
        answer = browser.get("/auth/login")
        assert answer.status_code == 200
        assert "skyrail login" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_who_is_signed_in_skips_the_login_page(server: AirflowServer):
    """An old tab that waits on the login page gets where it wanted to go."""
    with server.signed_in() as browser:
        answer = browser.get("/auth/login", params={"next": "/dags"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/dags")


def test_signing_out_ends_the_session_everywhere(server: AirflowServer):
    """Airflow's own sign-out removes the cookie, and the token no longer works where it was copied to."""
    with server.signed_in() as browser, server.browser() as copy:
        copy.cookies.update(browser.cookies)
        assert copy.get("/ui/auth/me").status_code == 200
        answer = browser.get("/api/v2/auth/logout")
        assert answer.headers["location"] == "/auth/login"
        assert "_token" not in browser.cookies
        assert copy.get("/ui/auth/me", headers={"Accept": "application/json"}).status_code == 401


def test_somebody_with_a_session_can_get_a_token_for_scripts(server: AirflowServer):
    """The token that Airflow's pages hand out works as bearer token."""
    with server.signed_in() as browser, server.browser() as script:
        token = browser.post("/ui/auth/token", json={"token_type": "cli"}).json()["access_token"]
        assert script.get("/ui/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_links_are_refused_where_they_are_not_switched_on(tmp_path_factory: pytest.TempPathFactory):
    """Without [skyrail_auth] login_links no link is accepted, not even one that would be good."""
    from tests.fakes.airflow_process import airflow_server

    with airflow_server(tmp_path_factory.mktemp("closed"), AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS="") as closed:
        token = create_link_token(closed.login_links)
        with closed.browser() as browser:
            answer = browser.get("/auth/link", params={"token": token})
            assert answer.status_code == 403
            assert "switched off" in answer.text
            assert "_token" not in browser.cookies
