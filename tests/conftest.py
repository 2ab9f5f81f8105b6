"""What every test may use: real servers, started once and shared."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest
from tests.platform import api, finished, mlflow_client, platform  # noqa: F401
from tests.servers import MlflowServer

# Modules compiled at each import cost minutes over a whole run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Airflow reads its home on import. Whoever runs the tests may have one, and it is not ours to touch.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="skyrail-tests-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
sys.dont_write_bytecode = False


# Fixtures of a whole run that start something: the tests of one go to one process, so that each starts once.
SERVERS = ("platform", "mlflow_server", "server", "engine", "wheels")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share the tests out among processes, by the server that they need or else by file.

    In one process, what needs the running platform comes last: it replays a year of flights on the same cores.
    """
    for item in items:
        needed = [name for name in SERVERS if name in getattr(item, "fixturenames", ())]
        item.add_marker(pytest.mark.xdist_group(needed[0] if needed else item.path.stem))
    items.sort(key=lambda item: "platform" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server with a database and artifacts of its own."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
