"""`kubectl` and `helm` as programs: the only way from here to a cluster."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from skyrail.errors import SkyrailError

Object = dict[str, Any]

WHERE = {
    "kubectl": "https://kubernetes.io/docs/tasks/tools/#kubectl",
    "helm": "https://helm.sh/docs/intro/install/",
}
UNREACHABLE = (
    "connection refused", "was refused", "no such host", "i/o timeout", "unable to connect", "no route to host",
    "couldn't get current server", "tls handshake timeout", "context deadline exceeded", "cluster unreachable",
    "connection to the server",
)  # fmt: skip


class ProgramError(SkyrailError):
    """A program is missing, cannot reach the cluster, or was refused."""


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it printed."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def reason(self) -> str:
        """Return what it complained about: its last line that says something."""
        lines = [
            line for line in self.err.splitlines() if line.strip() and not line.startswith(("WARNING:", "walk.go"))
        ]
        return lines[-1].strip() if lines else f"exit code {self.code}"

    @property
    def unreachable(self) -> bool:
        """Whether there was no answer from the cluster."""
        return self.code != 0 and any(sign in self.err.lower() for sign in UNREACHABLE)


def execute(command: Sequence[str], text: str, seconds: float) -> Done:
    """Run a command with a text as its input."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError:
        raise ProgramError(f"{command[0]} is not on the PATH.", fix=f"Install it: {WHERE[command[0]]}") from None
    except subprocess.TimeoutExpired:
        return Done(124, "", f"{shlex.join(command)}: no answer within {seconds:.0f} s (i/o timeout)")
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Programs:
    """Both programs, for one namespace of one cluster."""

    namespace: str
    context: str = ""
    execute: Callable[[Sequence[str], str, float], Done] = field(default=execute, repr=False)

    def missing(self) -> list[str]:
        """Return those of the two that are not on the PATH."""
        return [name for name in WHERE if shutil.which(name) is None]

    def kubectl_command(self, *arguments: str) -> list[str]:
        """Return the whole command, which a person may run, too."""
        context = ["--context", self.context] if self.context else []
        # Objects of the chart each say their namespace, and kubectl refuses those that are not in the one it is given.
        namespace = [] if "--filename" in arguments else ["--namespace", self.namespace]
        return ["kubectl", *context, *namespace, *arguments]

    def helm_command(self, *arguments: str) -> list[str]:
        """Return the whole command, which a person may run, too."""
        context = ["--kube-context", self.context] if self.context else []
        return ["helm", *arguments, *context, "--namespace", self.namespace]

    def kubectl(self, *arguments: str, text: str = "", seconds: float = 60) -> Done:
        """Run kubectl."""
        return self.execute(self.kubectl_command(*arguments), text, seconds)

    def helm(self, *arguments: str, text: str = "", seconds: float = 120) -> Done:
        """Run helm."""
        return self.execute(self.helm_command(*arguments), text, seconds)

    def get(self, *arguments: str, text: str = "") -> list[Object] | None:
        """Return objects that `kubectl get` finds; None if nobody lets us see them, or there is no such kind.

        Raises:
            ProgramError: the cluster does not answer.
        """
        done = self.kubectl("get", *arguments, "-o", "json", text=text)
        if done.unreachable:
            raise ProgramError(
                f"The cluster does not answer: {done.reason}",
                fix="`kubectl cluster-info` asks the same cluster. Choose another one with --context.",
            )
        if done.code:
            return None
        if not done.out.strip():  # with --ignore-not-found
            return []
        found = json.loads(done.out)
        return list(found["items"]) if found["kind"].endswith("List") else [found]

    def change(self, done: Done, what: str) -> str:
        """Return what a program printed whose success all that follows depends on.

        Raises:
            ProgramError: it failed.
        """
        if done.code:
            # Helm 4 logs beside what it complains about, which it says last.
            lines = [line for line in done.err.splitlines() if line.strip() and not line.startswith("level=")]
            said = "\n".join(lines)
            raise ProgramError(f"{what}: {said or done.reason}")
        return done.out
