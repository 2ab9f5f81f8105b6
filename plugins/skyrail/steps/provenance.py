"""What an attempt's version is made of, gathered from its start to its end."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import pickle
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skyrail.settings import airflow_home
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.options import StepOptions
from skyrail.tracking import names
from skyrail.tracking.git_state import GitState
from skyrail.tracking.masking import MASK, is_text, masked, redact, text_of, without_users
from skyrail.tracking.version import environment_text, platform_name, sha256, source_of
from skyrail.tracking.version_key import Made, version

MAX_VALUE = 500
"""Characters of a parameter that are recorded; a longer one is cut, and its end marked. Its hash is of the whole."""

MAX_READS = 200
"""Ids of attempts that fit into one tag."""


class Provenance:
    """The version of one attempt, as it becomes known."""

    def __init__(self, function: Callable[..., Any], identity: Mapping[str, str], options: StepOptions) -> None:
        self._function = function
        self._identity = identity
        self._options = options
        self._file = Path(inspect.getsourcefile(inspect.unwrap(function)) or ".").resolve()
        self._git = GitState(self._file.parent)
        self._source = source_of(function)
        self._environment = environment_text(airflow_home() / "cache")
        self._command = text_of(list(options.command)) if options.command else ""
        self._parameters: dict[str, str] = {}
        self._inputs: dict[str, str] = {}
        self._reads: dict[str, None] = {}
        self._noted: dict[str, str] = {}
        """Tags as they stand: what a runner finds out, such as the digest of its image, is part of the version."""
        self._dirty = False

    def first_tags(self) -> dict[str, str]:
        """Return what is known at the start. Waits for git."""
        code = self._git.read()
        self._dirty = code.dirty
        tags = {
            names.COMMIT: code.commit,
            names.DIRTY: str(code.dirty).lower(),
            names.SOURCE_SHA256: sha256(self._source) if self._source else "",
            names.ENVIRONMENT_SHA256: sha256(self._environment),
            "mlflow.source.name": f"{self._file.name}:{self._function.__name__}",
            "mlflow.source.type": "JOB",
        }
        if not self._options.image:  # a container has its own
            tags |= {names.PYTHON: platform.python_version(), names.PLATFORM: platform_name()}
        if code.commit:
            tags["mlflow.source.git.commit"] = code.commit
        if self._options.command:
            tags[names.COMMAND] = text_of(list(self._options.command))
        if image := os.environ.get("SKYRAIL_IMAGE"):
            tags[names.IMAGE] = image
        self.take_tags(tags)
        return tags

    def take_tags(self, tags: Mapping[str, str]) -> None:
        """Take up what may be part of the version."""
        self._noted.update(tags)

    def take_environment(self, text: str) -> None:
        """Take the lock of the step's own environment for what it runs in, instead of what is installed here."""
        self._environment = text

    def take_params(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Take up parameters; return them as they are recorded, secrets masked and long ones cut."""
        texts = masked(dict(params))
        for (name, text), value in zip(texts.items(), params.values(), strict=True):
            self._parameters[name] = _content(value, text)
        return {name: text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…" for name, text in texts.items()}

    def take_input(self, name: str, reference: Reference) -> None:
        """Take up an object that is read."""
        self._inputs[name] = reference.sha256
        if reference.attempt:  # a file of this machine has none
            self._reads[reference.attempt] = None

    def version_tags(self, *, over: bool) -> dict[str, str]:
        """Return the version as far as it is known; a difference from the commit only when the attempt is `over`.

        Only then are all secrets known that may have to be masked in it.
        """
        tags: dict[str, str] = {}
        patch_sha256: str | None = ""
        if self._dirty:
            patch_sha256 = None
            if over and (patch := self._masked_patch()) is not None:
                patch_sha256 = tags[names.PATCH_SHA256] = sha256(patch)
            if over and (why := self._git.patch().why_not):
                tags[names.NOTICE_PREFIX + "patch"] = why
        if self._reads:
            tags[names.READS] = ",".join(list(self._reads)[:MAX_READS])
        if len(self._reads) > MAX_READS:
            tags[names.NOTICE_PREFIX + "reads"] = (
                f"It read results of {len(self._reads)} attempts; the first {MAX_READS} are found by `{names.READS}`."
            )
        noted = self._noted
        made = Made(
            revision=noted[names.COMMIT] or self._identity.get(names.BUNDLE_VERSION, ""),
            patch_sha256=patch_sha256,
            source_sha256=noted[names.SOURCE_SHA256],
            command=self._command,
            # What is installed here means nothing to a container.
            packages_sha256=""
            if self._options.image
            else noted.get(names.LOCK_SHA256) or noted[names.ENVIRONMENT_SHA256],
            image=noted.get(names.IMAGE, ""),
            python=noted.get(names.PYTHON, ""),
            platform=noted.get(names.PLATFORM, ""),
            parameters=self._parameters,
            inputs=self._inputs,
        )
        return {**tags, **version(made)}

    def write_files(self, folder: Path, *, over: bool) -> None:
        """Write source, environment and, once the attempt is `over`, the difference from the commit.

        Raises:
            OSError: the disk is full.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if self._source:
            (folder / names.SOURCE_FILE).write_text(str(redact(self._source)))
        (folder / names.ENVIRONMENT_FILE).write_text(str(redact(without_users(self._environment))))
        if over and self._dirty and (patch := self._masked_patch()):
            (folder / names.PATCH_FILE).write_bytes(patch.encode("utf-8", "surrogateescape"))

    def _masked_patch(self) -> str | None:
        content = self._git.patch().content
        return None if content is None else str(redact(content.decode("utf-8", "surrogateescape")))


def _content(value: Any, text: str) -> str:
    """Return what of a parameter counts: its text, or the hash of a long one or of what no text shows whole."""
    if MASK not in text and not is_text(value):
        with contextlib.suppress(Exception):  # an object that cannot be pickled is known by its text alone
            return hashlib.sha256(pickle.dumps(value, protocol=5)).hexdigest()
    return text if len(text) <= MAX_VALUE else sha256(text)


def place_tags(options: StepOptions) -> dict[str, str]:
    """Return where an attempt runs: what it asked for, and the class that it got."""
    tags = {
        # A pod that got another class than the step's, after memory ran out, says so itself.
        names.RESOURCE_CLASS: os.environ.get("SKYRAIL_RESOURCE_CLASS") or options.resource_class,
        names.NEEDS: json.dumps(options.needs) if options.needs else "",
        names.NOTICE_PREFIX + "place": " ".join(options.notices),
    }
    return {name: text for name, text in tags.items() if text}
