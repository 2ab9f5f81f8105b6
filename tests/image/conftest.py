"""The images as `make image` built them."""

from __future__ import annotations

import pytest
from tests.image import engine


@pytest.fixture(scope="session", autouse=True)
def images() -> None:
    """Every test here needs the images."""
    engine.require()
