"""`skyrail login --namespace`: a sign-in link from a platform on Kubernetes, by way of kubectl."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from urllib.parse import urlsplit

from skyrail.cli.console import say
from skyrail.errors import SkyrailError

SELECTOR = "app.kubernetes.io/name=skyrail,app.kubernetes.io/component=api-server"

LOCAL = ("localhost", "127.0.0.1")


def remote_login(namespace: str, release: str | None, context: str | None) -> None:
    """Print a link, and what makes its address reachable if that takes a command.

    Raises:
        SkyrailError: kubectl is missing or refuses, or it cannot be known which platform is meant.
    """
    kubectl = [*(("kubectl", "--context", context) if context else ("kubectl",)), "--namespace", namespace]
    if not shutil.which("kubectl"):
        raise SkyrailError(
            "kubectl is not on the PATH.", fix="Install it: https://kubernetes.io/docs/tasks/tools/#kubectl"
        )
    chosen = release or only_release(namespace, _run([*kubectl, "get", "deployments", "-l", SELECTOR, "-o", "json"]))
    command = [*kubectl, "exec", f"deploy/{chosen}-api-server", "-c", "api-server", "--", "skyrail", "login"]
    link = _run(command).strip().splitlines()[-1]
    say(link)
    if (address := urlsplit(link)).hostname in LOCAL:
        port = address.port or 80
        say("")
        say("While this runs in another terminal, the link works:")
        say(f"  {shlex.join([*kubectl, 'port-forward', f'svc/{chosen}-api-server', f'{port}:8080'])}")


def only_release(namespace: str, listed: str) -> str:
    """Return the one release of a namespace, from what kubectl lists.

    Raises:
        SkyrailError: there is none, or more than one.
    """
    found = sorted(
        one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in json.loads(listed).get("items", [])
    )
    if not found:
        raise SkyrailError(
            f"There is no Skyrail in the namespace {namespace}.",
            fix="`helm list --all-namespaces` shows where there is one.",
        )
    if len(found) > 1:
        raise SkyrailError(
            f"The namespace {namespace} has several: {', '.join(found)}.", fix=f"Choose one: --release {found[0]}"
        )
    return str(found[0])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise SkyrailError(
            f"kubectl could not do it: {lines[-1]}",
            fix=f"It was: {shlex.join(command)}",
        )
    return done.stdout
