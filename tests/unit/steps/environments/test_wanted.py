"""What a step asks for: readable, comparable, and refused where it cannot be locked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.steps.environments.errors import StepEnvironmentError
from skyrail.steps.environments.wanted import wanted_by

REQUIREMENT = st.sampled_from(
    ["alpha", "alpha>1", "beta[extra]==2.*", "gamma @ https://x/g.whl", "delta<3; os_name=='nt'"]
)


@pytest.mark.parametrize(
    ("packages", "asked", "words"),
    [
        pytest.param(("alpha",), ("alpha",), "alpha", id="00 one"),
        pytest.param(("scikit-learn==1.5.*", "Pandas"), ("Pandas", "scikit-learn==1.5.*"), "pandas-scikit-learn",
                     id="01 sorted"),
        pytest.param((" alpha   >1 ",), ("alpha >1",), "alpha", id="02 spaces"),
        pytest.param(("d", "c", "b", "a"), ("a", "b", "c", "d"), "a-b-c", id="03 a name of three"),
        pytest.param(("a[x]>1; os_name=='nt'",), ("a[x]>1; os_name=='nt'",), "a", id="04 extras and markers"),
        pytest.param(("requirements/train.txt",), ("alpha", "beta>1", "-c gamma<2"), "requirements-train",
                     id="10 a file with what it names"),
        pytest.param(("../shared.in",), ("alpha",), "shared", id="11 a file elsewhere"),
    ],
)  # fmt: skip
def test_what_is_asked_for(dag_file: Path, packages: tuple[str, ...], asked: tuple[str, ...], words: str):
    """Requirements are sorted and plain, and the lock's name says what it is of."""
    folder = dag_file.parent
    (folder / "requirements").mkdir()
    (folder / "requirements" / "train.txt").write_text("# hello\nbeta>1  # why\n-r more.txt\n-c limits.txt\n\n")
    (folder / "requirements" / "more.txt").write_text("alpha\n-r train.txt\n")
    (folder / "requirements" / "limits.txt").write_text("gamma<2\n")
    (folder.parent / "shared.in").write_text("alpha\n")
    wanted = wanted_by("d.t", packages, dag_file)
    assert wanted.asked == asked
    assert wanted.file_name.rpartition("-")[0] == words
    assert wanted.path.parent == folder / "locks"


@pytest.mark.parametrize(
    ("packages", "says"),
    [
        pytest.param(("missing.txt",), "missing.txt of step 'd.t' cannot be read: No such file", id="00 no file"),
        pytest.param(("empty.txt",), "asks for no packages", id="01 an empty file"),
        pytest.param(("option.txt",), "option.txt:2: --index-url of step 'd.t' is an option", id="10 an option"),
        pytest.param(("-r x.txt",), "-r of step 'd.t' is an option", id="11 an option in the list"),
        pytest.param(("-e ./mine",), "is a folder or a repository", id="20 a folder"),
        pytest.param(("./mine",), "is a folder or a repository", id="21 a path"),
        pytest.param(("a @ git+https://x/y",), "is a folder or a repository", id="22 a repository"),
    ],
)
def test_what_cannot_be_locked_is_refused(dag_file: Path, packages: tuple[str, ...], says: str):
    """What has no hash, or is no requirement, is named with its place."""
    (dag_file.parent / "empty.txt").write_text("# nothing\n")
    (dag_file.parent / "option.txt").write_text("alpha\n--index-url https://x\n")
    with pytest.raises(StepEnvironmentError) as error:
        wanted_by("d.t", packages, dag_file)
    assert says in error.value.message
    assert error.value.fix


@given(st.lists(REQUIREMENT, min_size=1))
def test_order_and_repetition_do_not_matter(packages: list[str]):
    """Steps that ask for the same share a lock."""
    here = Path(__file__)
    again = wanted_by("b", tuple(reversed(packages + packages)), here)
    first = wanted_by("a", tuple(packages), here)
    assert (first.path, first.asked) == (again.path, again.asked)
