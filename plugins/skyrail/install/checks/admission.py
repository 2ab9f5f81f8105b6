"""The cluster's own word on each object: a dry run on the server, where its policies and webhooks are asked, too."""

from __future__ import annotations

import re

from skyrail.install.checks import Check, ok, refused

# Who may not bind every Role is asked for the rules of this one, which a dry run did not make.
_UNMADE_ROLE = re.compile(r'rolebindings\.rbac\.authorization\.k8s\.io "[^"]+" not found')
_AROUND = re.compile(r'^(?:for: "[^"]*": )?(?:Error from server(?: \(\w+\))?: )?(?:error when \w+ "[^"]*": )?')


def admission(code: int, said: str) -> list[Check]:
    """Return the rows for what `kubectl apply --dry-run=server` answered."""
    found = messages(said)
    refusals = [each for each in found if not _UNMADE_ROLE.fullmatch(each)]
    if code == 0 or (found and not refusals):
        return [ok("Dry run", "The cluster's policies let all objects in.")]
    return [refused("Dry run", message, _fix(message)) for message in refusals or [f"exit code {code}"]]


def messages(said: str) -> list[str]:
    """Return what kubectl complains about, one sentence for each object."""
    found: list[str] = []
    patch = False
    for line in map(str.strip, said.splitlines()):
        # A patch that fails is printed whole, over several lines; the last begins with `for:` and says why.
        patch = (patch or "error when applying patch:" in line) and not line.startswith("for: ")
        if patch or not line or line.startswith("Warning:"):
            continue
        if line.startswith("* ") and found:
            found[-1] += f" {line}"
        else:
            found.append(_AROUND.sub("", line))
    return found


def _fix(message: str) -> str:
    if "updates to statefulset spec" in message:
        return "Sizes and classes of volumes cannot change. Put these values back to what they were."
    if "is immutable" in message or "field can not be less" in message:
        return "That cannot change in place. Put the value back to what it was."
    return "Ask whoever owns that policy, or change the value that it is about."
