"""The cluster's own word on each object: a dry run on the server, where its policies and webhooks are asked, too."""

from __future__ import annotations

import re

from skyrail.install.checks import Check, ok, refused

_OBJECT = re.compile(r'(?:Error from server \((?P<reason>\w+)\): )?(?:error when \w+ "(?:STDIN|-)": )?(?P<message>.+)')


def admission(code: int, said: str) -> list[Check]:
    """Return the rows for what `kubectl apply --dry-run=server` answered."""
    if code == 0:
        return [ok("Dry run", "The cluster's policies let all objects in.")]
    rows = []
    for line in said.splitlines():
        if not line.strip() or line.startswith("Warning:"):
            continue
        match = _OBJECT.match(line.strip())
        message = match["message"] if match else line.strip()
        fix = "Ask whoever owns that policy, or change the value that it is about."
        if "spec: Forbidden: updates to statefulset spec" in message:
            fix = "Sizes and classes of volumes cannot change. Put the values back to what they were."
        rows.append(refused("Dry run", message, fix))
    return rows
