"""What a new user sees: the sign-in link, the pipeline in green, and the history of its model, in both themes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.browser.walking import TRAINING, frame, wait_for_promotion

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_without_the_link_nothing_is_shown(platform: Any, browser: Any):
    """A window without a session sees the sign-in page and nothing else."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{platform.url}/dags")
    page.get_by_role("heading", name="You are not signed in").wait_for()
    assert page.get_by_text("skyrail login").is_visible()
    context.close()


def test_the_pipeline_is_green(platform: Any, signed_in: Any, look: Callable[[Any, str], None]):
    """Airflow's own page shows a training run that succeeded."""
    page = signed_in.new_page()
    wait_for_promotion(page, platform)
    runs = f"{platform.url}/api/v2/dags/{TRAINING}/dagRuns?state=success&limit=1&order_by=run_after"
    answer = page.request.get(runs)
    for _ in range(60):
        if answer.json()["dag_runs"]:
            break
        page.wait_for_timeout(2000)
        answer = page.request.get(runs)
    run_id = answer.json()["dag_runs"][0]["dag_run_id"]
    page.goto(f"{platform.url}/dags/{TRAINING}/runs/{run_id}")
    page.get_by_text("success", exact=False).first.wait_for()
    look(page, "pipeline")
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_follow_airflows_theme(platform: Any, signed_in: Any, look: Callable[[Any, str], None], theme: str):
    """Runs, Models and the history of a model look like Airflow around them."""
    page = signed_in.new_page()
    path = wait_for_promotion(page, platform)
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    page.goto(f"{platform.url}/plugin/skyrail")
    skyrail = frame(page)
    skyrail.get_by_role("table").wait_for()
    colours = "element => getComputedStyle(element).backgroundColor"
    assert (skyrail.locator("html").get_attribute("class") or "") == ("dark" if theme == "dark" else "")
    dark = skyrail.locator("body").evaluate(colours) != "rgb(255, 255, 255)"
    assert dark is (theme == "dark")
    assert skyrail.get_by_text("succeeded").first.is_visible()
    look(page, f"runs-{theme}")

    skyrail.get_by_role("link", name="Models").first.click()
    model = skyrail.locator(f"tbody th a[href='{path}']")
    model.wait_for()
    look(page, f"models-{theme}")

    model.click()
    skyrail.get_by_role("heading", name=re.compile("Version 1 compared with")).wait_for()
    assert skyrail.get_by_role("img", name=re.compile("interval from")).first.is_visible()
    assert skyrail.get_by_text("Champion: ").first.is_visible()
    look(page, f"model-{theme}")
    page.close()


def test_links_lead_out_of_the_frame(platform: Any, signed_in: Any):
    """An attempt's log opens in Airflow's own page, its record in a window of MLflow."""
    page = signed_in.new_page()
    wait_for_promotion(page, platform)
    page.goto(f"{platform.url}/plugin/skyrail")
    skyrail = frame(page)
    skyrail.get_by_role("table").wait_for()
    with signed_in.expect_page() as opened:
        skyrail.get_by_role("link", name="MLflow").first.click()
    assert "/#/experiments/" in opened.value.url
    opened.value.close()
    skyrail.get_by_role("cell").get_by_role("link", name="Airflow").first.click()
    page.wait_for_url(re.compile(r"/dags/[^/]+/runs/[^/]+/tasks/"))
    page.close()


def test_the_pages_fit_a_phone(platform: Any, signed_in: Any, look: Callable[[Any, str], None]):
    """Nothing is wider than the screen."""
    page = signed_in.new_page()
    path = wait_for_promotion(page, platform)
    page.set_viewport_size({"width": 390, "height": 844})
    table = f"/skyrail/runs?dag_id={TRAINING}&filter=evaluate"
    for name, address in (("runs", "/skyrail/runs"), ("table", table), ("run", ""), ("model", path)):
        if address:
            page.goto(f"{platform.url}{address}")
        else:
            page.locator("tbody th a").first.click()
            page.get_by_role("heading", name="Lineage").wait_for()
        page.locator("main").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        look(page, f"{name}-phone")
    page.close()
