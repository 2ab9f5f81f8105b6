"""Keep out of the record what Airflow knows as a secret: passwords of connections, Variables, values masked by hand."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

MASK = "***"

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_USER_IN_URL = re.compile(r"(://)[^/@\s]+@")


def redact(value: Any, name: str | None = None) -> Any:
    """Return a value with its secrets masked; all of it when `name` says that it is one."""
    from airflow.sdk.log import redact

    return redact(value, name)


def text_of(value: Any, name: str | None = None) -> str:
    """Return a value as text, secrets masked at any depth: a text as it is, plain values as JSON, others as `repr`.

    Where an object is in memory is left out, so that equal values have equal texts.
    """
    if isinstance(value, str):
        return str(redact(value, name))
    try:
        value = redact(_ordered(value), name)
        text = json.dumps(value, ensure_ascii=False)
    except Exception:
        text = _repr(value)
    # Airflow stops looking at some depth, and looks into no keys and no objects; in a text all of it is seen.
    return str(redact(text))


def is_text(value: Any) -> bool:
    """Tell whether the text of a value shows all of it: whether it is made of JSON's own types, tuples and sets."""
    try:
        json.dumps(_ordered(value))
    except Exception:
        return False
    return True


def _ordered(value: Any) -> Any:
    """Return a value with its sets as lists in one order, since that of a set is another in each process."""
    if isinstance(value, set | frozenset):
        return sorted((_ordered(item) for item in value), key=repr)
    if type(value) is dict:
        return {key: _ordered(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_ordered(item) for item in value]
    return value


def _repr(value: Any) -> str:
    try:
        return _ADDRESS.sub("", repr(value))
    except Exception:  # an author's class may do anything, and a step does not fail for its record
        return f"<{type(value).__qualname__}>"


def masked(values: dict[str, Any]) -> dict[str, str]:
    """Return names and values as texts, secrets masked in both."""
    return {str(redact(str(name))): text_of(value, str(name)) for name, value in values.items()}


def redact_known(text: str) -> str:
    """Mask secrets in any interpreter: where Airflow is not loaded, none are known."""
    return str(redact(text)) if "airflow.sdk.log" in sys.modules else text


def without_users(text: str) -> str:
    """Mask users and passwords in the addresses of a text, such as an index of packages."""
    return _USER_IN_URL.sub(rf"\1{MASK}@", text)
