"""What roles allow: nothing, unless the table says so."""

from __future__ import annotations

import pytest

from skyrail.auth.roles import ANY, ROLES, allows
from skyrail.auth.user import SkyrailUser

TABLE = {
    "reader": {"dag": frozenset({"GET"}), "asset": frozenset({"GET"})},
    "editor": {"dag": frozenset({"GET", "PUT", "POST"})},
    "dag owner": {"dag": frozenset({ANY})},
}


@pytest.mark.parametrize(
    ("roles", "resource", "method", "allowed"),
    [
        pytest.param([], "dag", "GET", False, id="00 nobody by default"),
        pytest.param(["typo"], "dag", "GET", False, id="10 an unknown role"),
        pytest.param(["reader"], "dag", "GET", True, id="20 a rule"),
        pytest.param(["reader"], "dag", "PUT", False, id="30 another method"),
        pytest.param(["reader"], "variable", "GET", False, id="40 another resource"),
        pytest.param(["reader", "editor"], "dag", "PUT", True, id="50 roles add up"),
        pytest.param(["typo", "reader"], "dag", "GET", True, id="60 an unknown role takes nothing away"),
        pytest.param(["dag owner"], "dag", "DELETE", True, id="70 any method"),
        pytest.param(["dag owner"], "pool", "DELETE", False, id="80 of that resource only"),
    ],
)
def test_a_rule_allows_what_it_names(roles: list[str], resource: str, method: str, allowed: bool):
    """A method on a resource is allowed when a role's row names both."""
    assert allows(roles, resource, method, table=TABLE) is allowed


def test_admin_is_the_only_role_and_may_do_everything():
    """The roles of this version."""
    assert {"admin": {ANY: frozenset({ANY})}} == ROLES
    assert allows(["admin"], "custom_view", "can_do")


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        pytest.param({"sub": "ada"}, (), id="00 no claim, no roles"),
        pytest.param({"sub": "ada", "roles": []}, (), id="10 an empty claim"),
        pytest.param({"sub": "ada", "roles": ["admin"]}, ("admin",), id="20 a role"),
    ],
)
def test_a_user_has_the_roles_of_the_token(claims: dict[str, object], roles: tuple[str, ...]):
    """Roles come from the verified token and from nowhere else."""
    user = SkyrailUser.from_claims(claims)
    assert (user.get_id(), user.get_name(), user.roles) == ("ada", "ada", roles)
    assert SkyrailUser.from_claims(user.claims()) == user


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"roles": ["admin"]}, id="00 nobody"),
        pytest.param({"sub": "ada", "roles": "admin"}, id="10 a word instead of a list"),
        pytest.param({"sub": "ada", "roles": [["admin"]]}, id="20 lists in the list"),
        pytest.param({"sub": "ada", "roles": {"admin": True}}, id="30 an object"),
    ],
)
def test_claims_of_another_shape_are_refused(claims: dict[str, object]):
    """Airflow takes either error as an invalid token."""
    with pytest.raises((KeyError, ValueError)):
        SkyrailUser.from_claims(claims)
