"""Where the configuration lies that every shape of Skyrail shares."""

from __future__ import annotations

import os
from pathlib import Path

import skyrail
from skyrail.errors import EmbeddedError


def config_folder() -> Path:
    """Return the folder with `airflow.cfg`: `SKYRAIL_CONFIG`, else the checkout's `config/`, else the packaged copy.

    Raises:
        EmbeddedError: `SKYRAIL_CONFIG` names a folder without `airflow.cfg`, or the installation lacks its own.
    """
    package = Path(skyrail.__file__).parent
    if chosen := os.environ.get("SKYRAIL_CONFIG"):
        folder = Path(chosen).expanduser().absolute()
        if not (folder / "airflow.cfg").is_file():
            raise EmbeddedError(
                f"SKYRAIL_CONFIG is {chosen}, and there is no airflow.cfg in that folder.",
                fix="Point it at a copy of Skyrail's config/ folder, or unset it.",
            )
        return folder
    for folder in (package.parent.parent / "config", package / "_config"):
        if (folder / "airflow.cfg").is_file():
            return folder
    raise EmbeddedError(
        f"The installation of Skyrail in {package} lacks its configuration.",
        fix="Install it again: uv pip install --reinstall skyrail",
    )
