"""The smallest class that has what is asked, or the closest and what it is short of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.steps.resources.classes import ResourceClass
from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.matching import Why, lacks, larger, match
from skyrail.steps.resources.needs import Needs

GIB = 1024**3
SMALL = ResourceClass("small", 1, 2 * GIB)
MEDIUM = ResourceClass("medium", 2, 8 * GIB, disk=20 * GIB, shared_memory=GIB, images=("reg/team/*",))
LARGE = ResourceClass("large", 4, 16 * GIB, disk=50 * GIB, shared_memory=2 * GIB, identities=("trainer",))
T4 = ResourceClass("t4", 4, 14 * GIB, gpu=1, gpu_type="t4")
T4X2 = ResourceClass("t4x2", 8, 28 * GIB, gpu=2, gpu_type="t4")
A100 = ResourceClass("a100", 12, 80 * GIB, gpu=1, gpu_type="a100", identities=("trainer",))
# From the largest to the smallest: the order of the file decides nothing but a draw.
CLASSES = (A100, T4X2, T4, LARGE, MEDIUM, SMALL)


@pytest.mark.parametrize(
    ("needs", "identity", "image", "name"),
    [
        pytest.param(Needs(), None, None, "small", id="00 nothing asked"),
        pytest.param(Needs(cpu=1, memory=2 * GIB), None, None, "small", id="01 exactly"),
        pytest.param(Needs(cpu=1.5), None, None, "medium", id="02 a little more"),
        pytest.param(Needs(memory=9 * GIB), None, None, "large", id="03 memory decides"),
        pytest.param(Needs(cpu=3, memory=GIB), None, None, "large", id="04 CPUs decide"),
        pytest.param(Needs(gpu=0), None, None, "small", id="10 no GPU"),
        pytest.param(Needs(gpu=1), None, None, "t4", id="11 any GPU"),
        pytest.param(Needs(gpu=1, memory=20 * GIB), None, None, "a100", id="12 one GPU and memory: fewer GPUs first"),
        pytest.param(Needs(gpu=2), None, None, "t4x2", id="13 two"),
        pytest.param(Needs(gpu=1, gpu_type="a100"), None, None, "a100", id="14 a type"),
        pytest.param(Needs(disk=GIB), None, None, "medium", id="20 disk: small promises none"),
        pytest.param(Needs(shared_memory=2 * GIB), None, None, "large", id="21 shared memory"),
        pytest.param(Needs(), "trainer", None, "large", id="30 identity"),
        pytest.param(Needs(gpu=1), "trainer", None, "a100", id="31 identity and GPU"),
        pytest.param(Needs(), None, "reg/team/train@sha256:ab", "medium", id="32 image"),
    ],
)
def test_the_smallest_that_fits(needs: Needs, identity: str | None, image: str | None, name: str):
    """Fewer GPUs, then less of everything."""
    assert match(needs, CLASSES, identity=identity, image=image).resource_class.name == name


@pytest.mark.parametrize(
    ("needs", "identity", "image", "says"),
    [
        pytest.param(
            Needs(memory=64 * GIB),
            None,
            None,
            "closest is 'large': the step asks for 64 GiB of 16 GiB memory",
            id="00 memory",
        ),
        pytest.param(
            Needs(cpu=6, memory=20 * GIB),
            None,
            None,
            "closest is 'large': the step asks for 6 of 4 CPUs and 20 GiB of 16 GiB memory",
            id="01 two things",
        ),
        pytest.param(Needs(gpu=4), None, None, "closest is 't4x2': the step asks for 4 of 2 GPUs", id="10 GPUs"),
        pytest.param(
            Needs(gpu=2, gpu_type="a100"),
            None,
            None,
            "closest is 'a100': the step asks for 2 of 1 GPUs",
            id="11 GPUs of a type",
        ),
        pytest.param(
            Needs(gpu=1, disk=GIB),
            None,
            None,
            "closest is 't4': the step asks for 1 GiB disk where it promises none",
            id="20 disk",
        ),
        pytest.param(Needs(), "reader", None, "identity 'reader' where it allows none", id="30 identity"),
        pytest.param(
            Needs(cpu=4),
            "reader",
            None,
            "closest is 'large': the step asks for identity 'reader' where it allows trainer",
            id="31 identity of another",
        ),
        pytest.param(
            Needs(cpu=2),
            None,
            "other/x",
            "closest is 'medium': the step asks for image 'other/x' where it allows reg/team/*",
            id="32 image",
        ),
    ],
)
def test_nothing_fits(needs: Needs, identity: str | None, image: str | None, says: str):
    """The error names the closest class and what is short."""
    with pytest.raises(ResourceError) as error:
        match(needs, CLASSES, identity=identity, image=image, step="train")
    assert error.value.message.startswith("No resource class has what step 'train' asks for. The ")
    assert says in error.value.message


@pytest.mark.parametrize(
    ("gpu_type", "classes", "fix"),
    [
        pytest.param("a10", CLASSES, "Did you mean 'a100'? There are a100, t4.", id="00 close"),
        pytest.param("mi300", CLASSES, "There are a100, t4.", id="10 like none"),
        pytest.param("t4", (SMALL,), "No class has a GPU.", id="20 there are none"),
    ],
)
def test_an_unknown_type_of_gpu(gpu_type: str, classes: tuple[ResourceClass, ...], fix: str):
    """The error names the nearest."""
    with pytest.raises(ResourceError) as error:
        match(Needs(gpu=1, gpu_type=gpu_type), classes, step="train")
    assert error.value.message == f"Step 'train' asks for gpu_type={gpu_type!r}, and no resource class offers it."
    assert error.value.fix.startswith(fix)


def test_a_retired_class_gets_only_what_fits_nowhere_else():
    """The next larger takes its place."""
    retired = replace(SMALL, retired=True)
    assert match(Needs(), (retired, MEDIUM)).resource_class == MEDIUM
    assert match(Needs(cpu=1), (retired, T4)).resource_class == retired


def test_of_two_of_a_size_the_cheaper():
    """A class with a price comes before one without."""
    dear, cheap = replace(SMALL, name="dear", price=2.0), replace(SMALL, name="cheap", price=1.0)
    assert match(Needs(), (SMALL, dear, cheap)).resource_class == cheap


def test_the_reason_field_by_field():
    """What was asked beside what there is; what was not said is empty."""
    found = match(Needs(cpu=3, gpu=1, gpu_type="a100"), CLASSES, identity="trainer")
    assert found.why == (
        Why("cpu", "3 CPUs", "12 CPUs"),
        Why("memory", "", "80 GiB"),
        Why("gpu", "1 GPU", "1 GPU"),
        Why("gpu_type", "a100", "a100"),
        Why("disk", "", ""),
        Why("shared_memory", "", ""),
        Why("identity", "trainer", "trainer"),
    )


@pytest.mark.parametrize(
    ("one", "names"),
    [
        pytest.param(SMALL, ["medium", "large"], id="00 all that have more memory"),
        pytest.param(LARGE, [], id="10 none is larger"),
        pytest.param(T4, ["t4x2"], id="20 of the same type of GPU"),
        pytest.param(MEDIUM, [], id="30 large does not allow the images of medium"),
    ],
)
def test_what_can_stand_in_for_a_class(one: ResourceClass, names: list[str]):
    """Each has all that the class has, and more memory than the one before."""
    assert [other.name for other in larger(one, CLASSES)] == names


def test_celery_does_not_stand_in():
    """Pods grow into pods."""
    assert larger(SMALL, (SMALL, replace(LARGE, executor="CeleryExecutor"))) == ()


AMOUNT = st.integers(1, 200)
ANY_CLASS = st.builds(
    lambda cpu, memory, gpu: ResourceClass("c", cpu, memory * GIB, gpu, "t" if gpu else ""),
    AMOUNT,
    AMOUNT,
    st.integers(0, 3),
)
ANY_NEEDS = st.builds(
    lambda cpu, memory, gpu: Needs(cpu and float(cpu), memory and memory * GIB, gpu),
    st.none() | AMOUNT,
    st.none() | AMOUNT,
    st.none() | st.integers(0, 3),
)


@given(ANY_NEEDS, st.lists(ANY_CLASS, min_size=1, max_size=8))
def test_a_match_has_all_that_is_asked_and_no_fitting_class_is_smaller_in_everything(
    needs: Needs, classes: list[ResourceClass]
):
    """Whatever the classes are."""
    fitting = [one for one in classes if not lacks(needs, one)]
    if not fitting:
        with pytest.raises(ResourceError):
            match(needs, classes)
        return
    found = match(needs, classes).resource_class
    assert (needs.cpu or 0) <= found.cpu
    assert (needs.memory or 0) <= found.memory
    assert bool(needs.gpu) == bool(found.gpu)
    assert (needs.gpu or 0) <= found.gpu
    for other in fitting:
        assert not (other.gpu <= found.gpu and other.cpu < found.cpu and other.memory < found.memory)
