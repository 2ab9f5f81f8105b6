"""Make the pages of docs/reference/ from the code; with `--check`, only say which are stale."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from skyrail.cli.main import app
from skyrail.metrics.registry import METRICS
from skyrail.settings import SECTIONS, field_docs

HERE = Path(__file__).parent / "reference"
HEAD = "<!-- Made by `make docs` from {source}; do not edit. -->\n\n"


def settings() -> str:
    """Return the page of all options."""
    lines = [HEAD.format(source="plugins/skyrail/settings.py"), "# Settings\n"]
    lines.append(
        "Skyrail's options are Airflow options: set them in `airflow.cfg`, or by the environment variable given "
        "with each.\n"
    )
    for section in SECTIONS:
        name = section.section  # type: ignore[attr-defined]
        lines.append(f"## [{name}]\n\n{section.__doc__}\n")
        for field in dataclasses.fields(section):
            lines.append(f"### {field.name}\n\n{field_docs(section)[field.name]}\n")
            default = f"`{field.default}`" if field.default != "" else "empty"
            lines.append(
                f"Type: {field.type}. Default: {default}. Variable: `AIRFLOW__{name.upper()}__{field.name.upper()}`.\n"
            )
    return "\n".join(lines)


def metrics() -> str:
    """Return the page of all metrics."""
    lines = [HEAD.format(source="plugins/skyrail/metrics/registry.py"), "# Metrics\n"]
    lines.append(
        "What Skyrail emits beside Airflow's own metrics, through Airflow's statsd or OpenTelemetry settings "
        "(`[metrics]`). Labels are tags.\n"
    )
    lines.append("| name | type | unit | labels | what it says |\n|---|---|---|---|---|")
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines.append(f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Return the page of all commands, each with its own help text."""
    group = typer.main.get_command(app)
    lines = [HEAD.format(source="plugins/skyrail/cli/"), "# Commands\n"]
    for name, command in _flat(group):
        lines.append(f"## skyrail {name}\n\n{(command.help or '').strip()}\n")
        for parameter in command.params:
            if getattr(parameter, "hidden", False) or parameter.name == "help":
                continue
            options = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
            lines.append(f"- {options}: {(getattr(parameter, 'help', '') or '').strip()}")
        lines.append("")
    return "\n".join(lines)


def _flat(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each command with its whole name, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _flat(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


PAGES = {"settings.md": settings, "metrics.md": metrics, "commands.md": commands}


def main() -> int:
    """Write or check the pages. Return the exit code."""
    stale = []
    for name, make in PAGES.items():
        text = make().rstrip() + "\n"
        path = HERE / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    if stale and "--check" in sys.argv:
        print(f"Stale: {', '.join(stale)}. Run `make docs` and commit what it changes.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
