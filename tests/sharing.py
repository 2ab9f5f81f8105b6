"""How the tests are shared out among processes: by the server that they need, else by file.

pytest-xdist has groups for this, by a mark; version 3.8 sets them in a way that pytest 9.2 no longer reads.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/integration/containers/": "containers",
    "tests/integration/": "platform",
    "tests/browser/": "platform",
    "tests/unit/ui/": "MLflow",
    "tests/unit/tracking/": "MLflow",
    "tests/unit/auth/": "api-server",
}
"""Which server the tests of a folder need; the first that fits counts."""


def group(nodeid: str) -> str:
    """Return what tests have in common that run in one process."""
    file = nodeid.partition("::")[0]
    return next((name for folder, name in GROUPS.items() if file.startswith(folder)), file)


class ByServer(LoadScopeScheduling):
    """Hand out whole groups, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
