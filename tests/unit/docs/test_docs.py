"""Documentation is true: generated pages are current, links lead somewhere, commands and code work."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_generated_pages_are_current():
    """The reference says what the code says."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path):
    """A link to a file of the repository finds it, and one to a heading finds that."""
    for target in re.findall(r"\]\(([^)#\s]+)?(?:#[^)]*)?\)", page.read_text()):
        if target and not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page: Path):
    """Whatever a page tells to `make` can be made."""
    commands = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
    assert set(commands) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_can_be_read(page: Path):
    """Every block of Python in the documentation is Python."""
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        ast.parse(block)


def test_the_example_of_a_step_is_a_dag(tmp_path: Path):
    """The first example of the page about steps is a DAG as it stands."""
    [block, *_] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "steps.md").read_text(), re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(block + "\nimport airflow.sdk\nprint(sorted(example().task_ids))\n")
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['load', 'total']"


def test_ci_runs_the_commands_of_the_readme():
    """What CI runs is what a reader is told to run."""
    readme = set(re.findall(r"make (?:up|test)\b", (ROOT / "README.md").read_text()))
    assert readme == {"make up", "make test"}
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_page_is_reachable():
    """Each page is linked from another."""
    text = "\n".join(page.read_text() for page in PAGES)
    for page in PAGES[1:]:
        assert re.search(rf"\]\([^)]*{re.escape(page.name)}", text), name(page)
