"""What several walks through the pages share."""

from __future__ import annotations

from typing import Any

TRAINING = "flights_training"

# The first months run by themselves after the start; a slow machine needs minutes for them.
PIPELINE_MS = 300_000


def frame(page: Any) -> Any:
    """Return Airflow's frame with the Skyrail pages."""
    return page.frame_locator("iframe[title=Skyrail]")


def wait_for_promotion(page: Any, platform: Any) -> str:
    """Wait until the first model has been promoted, and return the path of its page."""
    page.goto(f"{platform.url}/skyrail/models")
    # The page refreshes itself: it is watched, not reloaded.
    page.locator("td .badge", has_text="version").first.wait_for(timeout=PIPELINE_MS)
    return str(page.locator("tbody th a").first.get_attribute("href"))
