"""One attempt in full: its page, its curves, its tabs in Airflow, and what those who may not read it get."""

from __future__ import annotations

import re
import time
from urllib.parse import quote

import jwt
import pytest
from tests.fakes.airflow_process import JWT_SECRET, AirflowServer
from tests.fakes.record import Written
from tests.unit.ui.code_rights import no_code
from tests.unit.ui.story import PEAK, RUN, SCORE, SECRET, STEPS, TRAIN, Story, sha
from tests.unit.ui.test_pages import Page, page


def test_the_page_shows_the_five_parts_and_the_rest(server: AirflowServer, story: Story):
    """Code, environment, parameters, data and metrics; class and what was used; values, inputs, outputs, source."""
    text = page(server, f"/skyrail/runs/{story.fit}").text
    for words in (
        "✓ succeeded after 1 min 36 s",
        f"Code {sha('VERSION_CODE')[:12]}",
        "Commit 9f3c1e0ab7d2 Working tree modified",
        f"Environment {sha('VERSION_ENVIRONMENT')[:12]}",
        f"Lock {sha('LOCK_SHA256')[:12]}",
        f"Parameters {sha('VERSION_PARAMETERS')[:12]} learning_rate 0.1 max_iter 3000 password ***",
        f"Data {sha('VERSION_DATA')[:12]} rows {sha('rows')[:12]}",
        "validation.auc 0.927",
        "Class large Peak memory, cgroup 12.4 GiB CPU time 5 min 51 s",
        "Asked for cpu 4 Asked for memory 16.0 GiB",
        "said no said yes no 9,721 41 yes 63 388",
        "epoch 2,711",
        "weights A long value, in MLflow",
        f"Results {sha('VERSION_RESULTS')[:12]} gradient",
        "1204211 rows, 31 columns parquet 46.0 MiB",
        'fit(rows, learning_rate: float = 0.1): """Fit & keep <the> model."""',
        "environment.txt 114.3 KiB Too large to show here.",
        "2 lines were longer than 1 MiB",
    ):
        assert words in text


def test_the_hash_of_a_part_leads_to_the_runs_that_share_it(server: AirflowServer, story: Story):
    """Which runs had the very same environment is one click away."""
    links = [str(link["href"]) for link in page(server, f"/skyrail/runs/{story.fit}").all("a")]
    [same] = [link for link in links if sha("VERSION_ENVIRONMENT") in link]
    found = page(server, same.replace("&amp;", "&"))
    assert [link["href"] for link in found.all("a") if story.fit in str(link["href"])]
    assert story.prepare not in found.html


def test_lineage_leads_both_ways(server: AirflowServer, story: Story):
    """What was read, and who read what came of it; the tries know each other."""
    fit = page(server, f"/skyrail/runs/{story.fit}")
    links = [link["href"] for link in fit.all("a")]
    for attempt in (story.prepare, story.score, story.first_fit):
        assert f"/skyrail/runs/{attempt}" in links
    above = page(server, f"/skyrail/runs/{story.prepare}")
    assert f"/skyrail/runs/{story.fit}" in [link["href"] for link in above.all("a")]
    below = page(server, f"/skyrail/runs/{story.score}")
    assert f"Read from {TRAIN} · fit" in below.text


def test_of_what_may_not_be_read_lineage_shows_only_that_it_is_there(server: AirflowServer, story: Story):
    """Neither its DAG, nor its step, nor its id."""
    fit = page(server, f"/skyrail/runs/{story.fit}")
    assert "1 that you may not read, or of which no record is left" in fit.text
    assert "1 that you may not read This" not in fit.text
    assert f"{SCORE} · score {RUN} 1 that you may not read" in fit.text
    assert "a run that you may not read" in fit.text
    for secret in (SECRET, "ponder", "peek", story.secret):
        assert secret not in fit.html


@pytest.mark.parametrize(
    ("role", "shown"),
    [
        pytest.param(no_code(TRAIN), False, id="00 not this DAG's code"),
        pytest.param(no_code(SCORE), True, id="10 not another DAG's code"),
    ],
)
def test_who_may_not_read_a_dags_code_gets_neither_source_nor_patch(
    server: AirflowServer, story: Story, role: str, shown: bool
):
    """Not their names, texts or addresses; the rest of the page and the environment are the same."""
    now = int(time.time())
    claims = {"sub": "ada", "roles": ["admin", role], "jti": role, "aud": "apache-airflow", "iat": now, "nbf": now}
    token = jwt.encode(claims | {"exp": now + 600}, JWT_SECRET, algorithm="HS512")
    with server.browser() as browser:
        answer = browser.get(f"/skyrail/runs/{story.fit}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    found = Page(answer.text)
    assert ("You may not read this DAG's code." not in found.text) is shown
    for words in ("source.py", "def fit(rows", "changes.patch", "+threshold = 0.5"):
        assert (words in found.html) is shown
    assert "environment.txt 114.3 KiB" in found.text
    assert "validation.auc 0.927" in found.text


@pytest.mark.parametrize("path", ["", "/curves?metric=loss"])
@pytest.mark.parametrize("attempt", ["secret", "unknown", "' OR '1'='1"])
def test_an_attempt_that_may_not_be_read_is_as_if_it_did_not_exist(
    server: AirflowServer, story: Story, attempt: str, path: str
):
    """The same answer for both, so that nobody learns which ids exist."""
    asked = story.secret if attempt == "secret" else attempt
    with server.signed_in() as browser:
        answer = browser.get(f"/skyrail/runs/{quote(asked, safe='')}{path}")
        nothing = browser.get(f"/skyrail/runs/nothing{path}")
    assert answer.status_code == nothing.status_code == 404
    assert answer.text == nothing.text


def test_a_page_for_what_is_not_there_yet_says_why(server: AirflowServer, story: Story):
    """It may only not have been sent yet."""
    text = page(server, "/skyrail/runs/01a2065e-368d-782e-bfe7-f27f6a30207c", status=404).text
    assert "Either it is not sent yet: a step's record arrives moments after it starts" in text


def test_a_curve_has_at_most_500_points_and_its_peak(server: AirflowServer, story: Story):
    """Of 2,000 and of 3,000 points; what is no number is null."""
    with server.signed_in() as browser:
        gradient = browser.get(f"/skyrail/runs/{story.fit}/curves", params={"metric": "gradient"}).json()
        answer = browser.get(f"/skyrail/runs/{story.fit}/curves", params={"metric": "loss"})
    assert (gradient["count"], gradient["sampled"], gradient["gaps"]) == (2000, False, 0)
    assert len(gradient["value"]) <= 500
    assert gradient["value"][gradient["step"].index(1234)] == PEAK
    loss = answer.json()
    assert (loss["count"], loss["sampled"], loss["gaps"]) == (STEPS, False, 30)
    assert (loss["step"][0], loss["step"][-1]) == (0, STEPS - 1)
    assert None in loss["value"]
    assert answer.headers["cache-control"] == "private, max-age=600"


def test_a_part_of_a_curve_is_a_curve(server: AirflowServer, story: Story):
    """From one step to another, both included, in any order."""
    address = f"/skyrail/runs/{story.fit}/curves?metric=gradient&first=1240&last=1230"
    with server.signed_in() as browser:
        assert browser.get(address).json()["step"] == list(range(1230, 1241))


def test_curves_are_chosen_by_the_address(server: AirflowServer, story: Story):
    """What is drawn, and over what, is in the address; what is no metric of the run is left out."""

    def drawn(address: str) -> tuple[list[str | None], str | None]:
        found = page(server, address)
        [place] = [each for each in found.all("div") if each.get("id") == "curves"]
        return [figure["data-metric"] for figure in found.all("figure")], place["data-x"]

    path = f"/skyrail/runs/{story.fit}"
    assert drawn(path) == (["gradient", "loss", "validation.auc", "rows"], "step")
    assert drawn(f"{path}?curves=loss,nothing&curves=rows&x=time") == (["loss", "rows"], "time")


def test_airflows_tab_on_a_task_instance_leads_to_its_latest_try(server: AirflowServer, story: Story):
    """Airflow leaves the placeholder for the map index as it is where a task is not mapped."""
    address = f"/skyrail/attempts?dag_id={TRAIN}&run_id={quote(RUN, safe='')}&task_id=fit&map_index={{MAP_INDEX}}"
    with server.signed_in() as browser:
        answer = browser.get(address)
        assert answer.headers["location"] == f"/skyrail/runs/{story.fit}"
        for other in (f"dag_id={SECRET}&task_id=ponder", f"dag_id={TRAIN}&task_id=no_step"):
            missing = browser.get(f"/skyrail/attempts?{other}&run_id={quote(RUN, safe='')}&map_index=-1")
            assert missing.status_code == 404
            assert "There is no such run here." in missing.text


def test_airflows_tab_on_a_dag_run_shows_its_attempts_alone(server: AirflowServer, story: Story, written: Written):
    """All of that run, and none of another."""
    found = page(server, f"/skyrail/runs?dag_id={TRAIN}&run_id={quote(RUN, safe='')}")
    shown = {
        m[1] for link in found.all("a") if (m := re.fullmatch(r"/skyrail/runs/([0-9a-f-]{36})", str(link["href"])))
    }
    assert shown == {story.prepare, story.fit, story.first_fit}
    assert "Nothing recorded for this DAG run" in page(server, f"/skyrail/runs?dag_id={TRAIN}&run_id=it's").text
    odd = page(
        server, "/skyrail/runs?dag_id=flights_score&run_id=" + quote("manual__<script>alert(1)</script>", safe="")
    )
    assert "flights_score" in odd.text
    assert "hostile" in odd.text


def test_the_tabs_are_known_to_airflow(server: AirflowServer):
    """One invalid field would make Airflow drop all of them."""
    with server.signed_in() as browser:
        token = browser.cookies["_token"]
        plugins = browser.get("/api/v2/plugins", headers={"Authorization": f"Bearer {token}"}).json()["plugins"]
    [views] = [plugin["external_views"] for plugin in plugins if plugin["name"] == "skyrail_ui"]
    assert [view["destination"] for view in views] == ["nav", "dag_run", "task_instance"]


def test_whatever_was_recorded_the_page_shows_it_as_text(server: AirflowServer, written: Written):
    """A run that tries to break its page has a page."""
    runs = page(server, "/skyrail/runs?filter=hostile")
    [address] = {str(link["href"]) for link in runs.all("a") if re.search(r"/runs/[0-9a-f-]{36}$", str(link["href"]))}
    hostile = page(server, address)
    assert "<script>alert('x')</script>" in hostile.text
    assert all(str(script.get("src")).startswith("/skyrail/static/") for script in hostile.all("script"))
    assert not any(name.startswith("on") for _, attrs in hostile.elements for name in attrs)


def test_the_library_for_curves_comes_with_its_licence(server: AirflowServer, story: Story):
    """Its files are served from here, and the licence lies beside them."""
    found: Page = page(server, f"/skyrail/runs/{story.fit}")
    with server.signed_in() as browser:
        files = [str(each.get("src") or each.get("href")) for each in [*found.all("script"), *found.all("link")]]
        assert all(browser.get(file).status_code == 200 for file in files)
        assert "MIT License" in browser.get("/skyrail/static/uplot/LICENSE").text
