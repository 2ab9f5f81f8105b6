"""The runs in a browser: the table, a run, its curves, and the tabs on Airflow's own pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.browser.walking import TRAINING, wait_for_promotion

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def evaluated(page: Any, platform: Any) -> Any:
    """Open the table of evaluations by address, and return its rows."""
    wait_for_promotion(page, platform)
    page.goto(f"{platform.url}/skyrail/runs?dag_id={TRAINING}&filter=evaluate, auc > 0&sort=-m.auc")
    page.get_by_role("table").wait_for()
    return page.locator("tbody tr")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_a_table_to_a_run_and_along_its_lineage(
    platform: Any, signed_in: Any, look: Callable[[Any, str], None], theme: str
):
    """Filter, choose columns, open a run, and go to what it read from: each with an address of its own."""
    page = signed_in.new_page()
    page.goto(f"{platform.url}/skyrail/runs")
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    assert evaluated(page, platform).count() >= 1
    assert page.get_by_role("columnheader", name="auc").get_attribute("aria-sort") == "descending"
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("log_loss").uncheck()
    page.get_by_role("button", name="Show these columns").click()
    page.wait_for_url(re.compile("columns="))
    assert page.get_by_role("columnheader", name="log_loss").count() == 0
    look(page, f"table-{theme}")

    page.locator("tbody th a").first.click()
    page.wait_for_url(re.compile(r"/skyrail/runs/[0-9a-f-]{36}$"))
    page.get_by_role("heading", name=re.compile("^Environment")).wait_for()
    assert page.get_by_role("heading", name="Lineage").is_visible()
    look(page, f"run-{theme}")
    page.locator(".lineage a", has_text="train").first.click()
    page.get_by_role("heading", name=re.compile(r"^Runs\s+train$")).wait_for()
    assert page.locator(".lineage a", has_text="evaluate").first.is_visible()
    page.close()


def test_a_filter_that_is_none_is_explained_beside_it(platform: Any, signed_in: Any):
    """What was written stays, so that it can be put right."""
    page = signed_in.new_page()
    evaluated(page, platform)
    page.get_by_label("Filter").fill("auc >> 3")
    page.get_by_label("Filter").press("Enter")
    page.get_by_text("auc >> 3 is not a condition.").wait_for()
    assert page.get_by_label("Filter").input_value() == "auc >> 3"
    page.close()


def test_airflows_pages_have_tabs_with_the_record(platform: Any, signed_in: Any, look: Callable[[Any, str], None]):
    """A DAG run shows its attempts, a task instance its own, without a second heading."""
    page = signed_in.new_page()
    evaluated(page, platform)
    page.get_by_role("cell").get_by_role("link", name="Airflow").first.click()
    page.wait_for_url(re.compile(r"/dags/[^/]+/runs/[^/]+/tasks/"))
    page.get_by_role("link", name="Record").click()
    record = page.frame_locator("iframe[title=Record]")
    record.get_by_role("heading", name=re.compile(r"^Runs\s+evaluate$")).wait_for()
    assert not record.get_by_role("navigation", name="Skyrail").is_visible()
    look(page, "tab-task-instance")
    page.goto(re.sub(r"/tasks/.*", "/plugin/skyrail-dag-run", page.url))
    runs = page.frame_locator("iframe[title=Runs]")
    runs.get_by_role("rowheader", name="evaluate").wait_for()
    look(page, "tab-dag-run")
    page.close()


def test_a_curve_is_drawn_and_shows_more_on_zooming_in(
    platform: Any, signed_in: Any, finished: Any, look: Callable[[Any, str], None]
):
    """The peak is in its words; a part of it is asked for anew; a double click goes back."""
    finished("curve")
    page = signed_in.new_page()
    asked: list[str] = []
    page.on("request", lambda request: "curves?" in request.url and asked.append(request.url))
    link = page.locator("tbody th a").first
    page.goto(f"{platform.url}/skyrail/runs?dag_id=curve&filter=ended = succeeded")
    while not link.count():  # the flusher may need moments
        page.wait_for_timeout(1000)
        page.reload()
    link.click()
    drawn = page.get_by_role("img", name="Curve of loss: 0.5 to 9, last 0.5.")
    for theme in ("light", "dark"):
        page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        asked.clear()
        page.reload()
        drawn.wait_for()
        drawn.scroll_into_view_if_needed()
        look(page, f"curve-{theme}")
    plot = drawn.locator(".u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    with page.expect_response(re.compile(r"metric=loss&first=\d+&last=\d+")) as part:
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 90, box["y"] + 40, steps=4)
        page.mouse.up()
    assert part.value.json()["count"] < 3000
    page.wait_for_load_state("networkidle")
    assert len(asked) == 2  # the whole, then what is in sight, once
    page.close()
