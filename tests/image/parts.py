"""Each part runs as a user that the image has never heard of, on a read-only root: `make image-check`.

Not among the tests that are collected: it starts the whole platform, which takes a minute or two.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.compose.project import PARTS, Compose

WRITE = "for f in /etc/x /opt/x /usr/x; do touch $f 2>/dev/null && echo $f; done; true"


def test_each_part_runs_as_anybody_on_a_read_only_root(tmp_path: Path):
    services = {name: {"user": "12345:0"} for name in (*PARTS, "secrets", "migrate")}
    override = tmp_path / "anybody.json"
    override.write_text(json.dumps({"services": services}))
    compose = Compose(override)
    try:
        compose("up", "--detach", "--wait", "--wait-timeout", "540")
        for part in PARTS:
            assert compose.health(part) == "healthy"
            assert compose("exec", "-T", part, "id", "-u").strip() == "12345"
            assert compose.container(part)["HostConfig"]["ReadonlyRootfs"] is True
            written = compose("exec", "-T", part, "sh", "-c", WRITE)
            assert written == ""
    finally:
        compose("down", "--volumes", "--timeout", "20", check=False)
