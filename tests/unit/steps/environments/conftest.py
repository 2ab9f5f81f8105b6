"""Real uv, an index of our own, and a cache for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.steps.environments.index import Index, serving, wheel


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "1.1", "2.0"):
        wheel(folder, "alpha", version)
    wheel(folder, "beta", "1.0", "alpha>=2")
    wheel(folder, "gamma", "1.0", "alpha<2")
    wheel(folder, "newer", "1.0", python=">=3.12")
    wheel(folder, "compiled", "1.0", tag="cp27-cp27m-win32")
    return folder


@pytest.fixture
def index(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that uv is configured for, with a cache of uv's and one of environments, both empty."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__CACHE", str(tmp_path / "cache"))
    with serving(wheels) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", server.url)
        yield server


@pytest.fixture
def dag_file(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    file = tmp_path / "dags" / "dag.py"
    file.write_text("")
    return file
