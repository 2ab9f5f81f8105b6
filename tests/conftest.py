"""What every test may use: real servers, started once and shared."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from tests.platform import api, finished, mlflow_client, platform  # noqa: F401
from tests.servers import MlflowServer

# Modules compiled at each import cost minutes over a whole run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Airflow reads its home on import. Whoever runs the tests may have one, and it is not ours to touch.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="skyrail-tests-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the running platform last: it replays a year of flights on the cores that all tests share.

    Where several processes share the tests it comes first: it takes longest, and the others run beside it.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        from tests.sharing import place

        items.sort(key=lambda item: place(item.nodeid))
    else:
        items.sort(key=lambda item: "platform" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out among processes so that each server starts once."""
    from tests.sharing import ByServer

    return ByServer(config, log)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server with a database and artifacts of its own."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
