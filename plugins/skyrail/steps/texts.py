"""The texts and lists of a step's metric lines, kept by the step itself: here secrets are known and masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from skyrail.tracking import names, spool
from skyrail.tracking.delivery import MAX_TAG
from skyrail.tracking.masking import redact, text_of
from skyrail.tracking.points import MAX_NAMES, TOO_MANY_NAMES, metric_name, understand
from skyrail.tracking.version import sha256


def read_values(folder: Path) -> dict[str, Any]:
    """Return the last value of each name among an attempt's metric lines, one name more than a run may have."""
    values: dict[str, Any] = {}
    for line, _ in spool.read_events(folder / spool.TEXTS):
        for name, value in understand(line["values"]).values.items():
            if name in values or len(values) <= MAX_NAMES:
                values[name] = value
    return values


def keep_values(folder: Path, files: Path) -> dict[str, str]:
    """Return an attempt's values as tags, secrets masked in names and values; write long ones into `files`.

    Raises:
        OSError: the disk is full.
    """
    tags: dict[str, str] = {}
    values = list(read_values(folder).items())
    if len(values) > MAX_NAMES:
        tags[names.NOTICE_PREFIX + "names"] = TOO_MANY_NAMES
    for name, value in values[:MAX_NAMES]:
        shown = metric_name(str(redact(name)))
        text = _json(value, name)
        if len(text) <= MAX_TAG:
            tags[names.VALUE_PREFIX + shown] = text
            continue
        file = f"{names.VALUES_FOLDER}/{_file_name(shown)}.json"
        (files / file).parent.mkdir(parents=True, exist_ok=True)
        (files / file).write_text(text)
        tags[names.VALUE_FILE_PREFIX + shown] = f"{names.FILES}/{file}"
    return tags


def _file_name(name: str) -> str:
    flat = name.replace("/", "_")
    return flat if len(flat.encode()) <= 200 else f"{flat[:50]}-{sha256(name)[:16]}"


def _json(value: Any, name: str) -> str:
    return json.dumps(redact(value, name)) if isinstance(value, str) else text_of(value, name)
