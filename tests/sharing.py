"""How the tests are shared out among processes: by the server that they need, else by file.

pytest-xdist has groups for this, by a mark; version 3.8 sets them in a way that pytest 9.2 no longer reads.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/browser/": "platform",
    "tests/integration/containers/": "containers",
    "tests/integration/": "platform",
    "tests/unit/ui/": "MLflow",
    "tests/unit/tracking/": "MLflow",
    "tests/unit/steps/test_capture.py": "capture",
    "tests/unit/auth/": "api-server",
}
"""Which server the tests of a folder need, or which file takes minutes; the first that fits counts.

What takes longest is named first."""


def group(nodeid: str) -> str:
    """Return what tests have in common that run in one process."""
    file = nodeid.partition("::")[0]
    return next((name for folder, name in GROUPS.items() if file.startswith(folder)), file)


def place(nodeid: str) -> int:
    """Return where tests come in the order of those that several processes share: what takes longest begins first."""
    name, order = group(nodeid), list(dict.fromkeys(GROUPS.values()))
    return order.index(name) if name in order else len(order)


class ByServer(LoadScopeScheduling):
    """Hand out whole groups, in the order of `place`."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
