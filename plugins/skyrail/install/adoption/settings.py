"""Which of Airflow's settings are others here, and which of an old installation's would be lost."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skyrail.errors import SkyrailError
from skyrail.install.chart import Chart
from skyrail.install.checks import Check, ok, warn
from skyrail.install.manifests import Object
from skyrail.operations.schema import airflow_folders

Options = dict[tuple[str, str], str]

OWN = {
    ("core", "dags_folder"): "dags.folder or dags.git",
    ("core", "executor"): "executor",
    ("core", "fernet_key"): "secrets.airflow",
    ("core", "internal_api_secret_key"): "secrets.airflow",
    ("core", "plugins_folder"): "an image with them",
    ("database", "sql_alchemy_conn"): "database",
    ("api", "secret_key"): "secrets.airflow",
    ("api_auth", "jwt_secret"): "secrets.airflow",
    ("celery", "broker_url"): "broker.urlSecret",
    ("celery", "result_backend"): "broker.urlSecret",
    ("api", "base_url"): "apiServer.url",
}
"""Options that are keys of the chart, or secrets; none is compared."""
INSIDE = (
    "core.execution_api_server_url", "core.hostname_callable", "dag_processor.dag_bundle_config_list",
    "dag_processor.dag_bundle_storage_path", "database.check_migrations", "logging.base_log_folder",
    "logging.dag_processor_child_process_log_directory", "api.host", "api.port",
)  # fmt: skip
"""How the parts of the chart find one another, and places in containers, which concern nobody."""


@dataclass(frozen=True)
class Difference:
    """One setting that is another here."""

    option: str
    there: str
    here: str
    reason: str = ""


def reasons(text: str) -> dict[tuple[str, str], str]:
    """Return the comment above each option of our airflow.cfg: each has its reason there."""
    found: dict[tuple[str, str], str] = {}
    section = ""
    said: list[str] = []
    for line in text.splitlines():
        if line.startswith("["):
            section, said = line.strip("[] "), []
        elif line.startswith("#"):
            said.append(line.lstrip("# "))
        elif "=" in line:
            found[section, line.partition("=")[0].strip()] = " ".join(said)
            said = []
        elif not line.strip():
            said = []
    return found


def read(text: str) -> Options:
    """Return the options of an airflow.cfg."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {(section, name): value for section in parser.sections() for name, value in parser.items(section)}


def defaults() -> Options:
    """Return the defaults of the installed Airflow, without importing it."""
    found: Options = {}
    for folder in airflow_folders():
        file = folder / "config_templates" / "config.yml"
        if file.is_file():
            for section, said in yaml.load(file.read_text(), yaml.CSafeLoader).items():
                for name, option in (said.get("options") or {}).items():
                    found[section, name] = "" if option.get("default") is None else str(option["default"])
    return found


def ours(chart: Chart, objects: list[Object]) -> Options:
    """Return what the chart sets: the file, and over it the variables of all parts."""
    found = read((chart.folder / "files" / "config" / "airflow.cfg").read_text())
    for one in objects:
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith("-environment"):
            for name, value in one["data"].items():
                parts = name.split("__")
                if len(parts) == 3 and parts[0] == "AIRFLOW":
                    found[parts[1].lower(), parts[2].lower()] = str(value)
    return found


def differences(there: Options, here: Options, normal: Options, why: Mapping[tuple[str, str], str]) -> list[Difference]:
    """Return the settings that change for whoever comes from an installation: `there`, or else Airflow's defaults."""
    found = []
    for key, value in sorted(here.items()):
        if key[0].startswith("skyrail") or key not in {*normal, *there} or f"{key[0]}.{key[1]}" in INSIDE:
            continue
        old = there.get(key, normal.get(key, ""))
        if key in OWN and key != ("core", "executor"):
            continue
        if _plain(old) != _plain(value):
            found.append(Difference(f"[{key[0]}] {key[1]}", old, value, why.get(key, "")))
    return found


def lost(there: Options, here: Options, normal: Options) -> dict[str, dict[str, str]]:
    """Return the settings of an old installation that nothing here says: what to put under the value `airflow`."""
    found: dict[str, dict[str, str]] = {}
    for (section, name), value in sorted(there.items()):
        key = (section, name)
        if key in here or key in OWN or f"{section}.{name}" in INSIDE or key not in normal:
            continue
        if _plain(value) != _plain(normal[key]) and "{AIRFLOW_HOME}" not in normal[key]:
            found.setdefault(section, {})[name] = value
    return found


def settings(chart: Chart, objects: list[Object], file: Path | None) -> list[Check]:
    """Return the rows about settings; `file` is the airflow.cfg of the old installation, if there is one.

    Raises:
        SkyrailError: the file cannot be read.
    """
    try:
        there = read(file.read_text()) if file else {}
    except (OSError, configparser.Error) as error:
        raise SkyrailError(f"{file} is no airflow.cfg: {error}", fix="Name the file of the old installation.") from None
    here, normal = ours(chart, objects), defaults()
    why = reasons((chart.folder / "files" / "config" / "airflow.cfg").read_text())
    changed = differences(there, here, normal, why)
    rows = []
    if changed:
        than = str(file) if file else "Airflow's defaults"
        lines = [
            f"{one.option}: {one.there or 'empty'} → {one.here}" + (f" ({one.reason})" if one.reason else "")
            for one in changed
        ]
        fix = "\n".join([*lines, "To keep one: airflow: {SECTION: {OPTION: VALUE}}"])
        rows.append(warn("Settings", f"{len(changed)} are others than {than}.", fix))
    if missing := lost(there, here, normal):
        many = sum(map(len, missing.values()))
        text: Any = yaml.safe_dump({"airflow": missing}, sort_keys=False)
        rows.append(warn("Your settings", f"{many} of {file} are not set here.", f"To keep them:\n{text}"))
    if file:
        rows.append(
            warn(
                "Policies",
                "airflow_local_settings.py and plugins of the old installation do not come along.",
                "Put them into an image (docs/image.md); our own policy changes pods of the KubernetesExecutor alone.",
            )
        )
    return rows or [ok("Settings", "None is another.")]


def _plain(value: str) -> str:
    return value.strip().strip("\"'").lower()
