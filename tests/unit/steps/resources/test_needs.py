"""What a step says it needs is understood, or refused with what to write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.needs import Needs
from skyrail.steps.resources.quantities import cpu_quantity, cpus, memory, quantity, say_bytes

MIB, GIB = 1024**2, 1024**3


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        pytest.param({}, Needs(), id="00 nothing asked"),
        pytest.param({"cpu": None, "memory": None}, Needs(), id="01 nothing asked, said aloud"),
        pytest.param({"cpu": 4}, Needs(cpu=4.0), id="10 CPUs"),
        pytest.param({"cpu": 0.5}, Needs(cpu=0.5), id="11 half a CPU"),
        pytest.param({"cpu": "500m"}, Needs(cpu=0.5), id="12 as Kubernetes has it"),
        pytest.param({"cpu": "2"}, Needs(cpu=2.0), id="13 as text"),
        pytest.param({"memory": 16000}, Needs(memory=16000 * MIB), id="20 a number is MiB"),
        pytest.param({"memory": "16Gi"}, Needs(memory=16 * GIB), id="21 text is a quantity"),
        pytest.param({"memory": "16G"}, Needs(memory=16 * 10**9), id="22 of 1000"),
        pytest.param({"memory": "1.5Gi"}, Needs(memory=1536 * MIB), id="23 with a fraction"),
        pytest.param({"gpu": 0}, Needs(gpu=0), id="30 no GPU, said aloud"),
        pytest.param({"gpu": 2, "gpu_type": " A100 "}, Needs(gpu=2, gpu_type="a100"), id="31 GPUs of a type"),
        pytest.param({"gpu_type": "t4"}, Needs(gpu=1, gpu_type="t4"), id="32 a type alone is one GPU"),
        pytest.param(
            {"disk": "1Ti", "shared_memory": 512}, Needs(disk=1024 * GIB, shared_memory=512 * MIB), id="40 rest"
        ),
    ],
)
def test_needs_are_understood(options: dict[str, Any], needs: Needs):
    """What was not said stays unsaid, and all of it goes through JSON."""
    assert Needs.of("train", **options) == needs
    assert Needs.from_dict(json.loads(json.dumps(needs.to_dict()))) == needs


@pytest.mark.parametrize(
    ("options", "message", "fix"),
    [
        pytest.param({"memory": "16 gigs"}, "memory='16 gigs'", 'write "16Gi" (1024) or "16G" (1000)', id="00 a word"),
        pytest.param(
            {"memory": "16GB"}, "memory='16GB'", 'write "16Gi" (1024) or "16G" (1000)', id="01 no unit of theirs"
        ),
        pytest.param({"memory": "16000"}, "memory='16000'", "write 16000 without quotes for MiB", id="02 bytes or MiB"),
        pytest.param({"memory": "lots"}, "memory='lots'", "write MiB as a number", id="03 no amount"),
        pytest.param({"memory": 0}, "memory=0", "from 1 up", id="04 nothing"),
        pytest.param({"memory": -1}, "memory=-1", "from 1 up", id="05 less than nothing"),
        pytest.param({"memory": float("nan")}, "memory=nan", "from 1 up", id="06 not a number"),
        pytest.param({"memory": True}, "memory=True", "write MiB as a number", id="07 a truth"),
        pytest.param({"memory": "16xyz"}, "memory='16xyz'", 'write "16Gi" or "16Mi"', id="08 no unit at all"),
        pytest.param({"memory": "1Ki"}, "memory='1Ki'", '"1Mi" is the least', id="09 too little"),
        pytest.param({"cpu": 0}, "cpu=0", 'write 4, 0.5 or "500m"', id="10 no CPU"),
        pytest.param({"cpu": "four"}, "cpu='four'", 'write 4, 0.5 or "500m"', id="11 a word"),
        pytest.param({"cpu": float("inf")}, "cpu=inf", 'write 4, 0.5 or "500m"', id="12 all there are"),
        pytest.param({"gpu": -1}, "gpu=-1", "write a whole number from 0 up", id="20 less than none"),
        pytest.param({"gpu": 0.5}, "gpu=0.5", "write a whole number from 0 up", id="21 half a GPU"),
        pytest.param({"gpu": True}, "gpu=True", "write a whole number from 0 up", id="22 a truth"),
        pytest.param({"gpu_type": 4}, "gpu_type=4", 'such as "a100"', id="23 no name"),
        pytest.param({"gpu": 0, "gpu_type": "t4"}, "gpu_type='t4'", "take one of them away", id="24 a type of none"),
        pytest.param(
            {"memory": "1Gi", "shared_memory": "2Gi"}, "shared_memory='2Gi'", "ask for more memory", id="30 a part"
        ),
        pytest.param({"memroy": 4}, "memroy=4", "did you mean memory=?", id="40 misspelt"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str, fix: str):
    """The error names step, argument and value; the fix says what to write."""
    with pytest.raises(ResourceError) as error:
        Needs.of("train", **options)
    assert error.value.message == f"Step 'train' cannot have {message}."
    assert fix in error.value.fix


def test_all_mistakes_at_once():
    """Nobody corrects one to be told the next."""
    with pytest.raises(ResourceError) as error:
        Needs.of("train", cpu="four", memory="16 gigs", gpu=-1)
    assert error.value.message == "Step 'train' cannot have cpu='four' and memory='16 gigs' and gpu=-1."
    assert [line.partition("=")[0] for line in error.value.fix.splitlines()] == ["cpu", "memory", "gpu"]


@given(st.integers(MIB, 2**50))
def test_bytes_reach_kubernetes_exactly(size: int):
    """A quantity is the shortest that is exact."""
    text = quantity(size)
    assert (int(text) if text.isdigit() else memory(text)) == size


@given(st.floats(0.001, 1000))
def test_cpus_reach_kubernetes_rounded_up_by_less_than_a_thousandth(value: float):
    """No step gets less than it asked for."""
    assert 0 <= cpus(cpu_quantity(value)) - value < 0.00101


@pytest.mark.parametrize(
    ("size", "text"),
    [
        pytest.param(16 * GIB, "16 GiB", id="00 whole"),
        pytest.param(1536 * MIB, "1.5 GiB", id="10 a fraction"),
        pytest.param(1023 * MIB, "1023 MiB", id="20 just below"),
        pytest.param(512, "512 B", id="30 little"),
    ],
)
def test_amounts_in_words(size: int, text: str):
    """People read the largest unit that leaves one or more."""
    assert say_bytes(size) == text
