"""What each role may do. Nobody may do anything until a row of this table allows it.

This table is where access rules grow: a role that is missing here, or a user without any, is refused everything,
so a mistyped or removed role can only ever take rights away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ANY = "*"

# Role -> resource -> methods. Resources are Airflow's words: configuration, connection, dag, asset, asset_alias, pool,
# team, variable, view, custom_view, menu_item, hitl_task. Methods are GET, POST, PUT, DELETE.
ROLES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "admin": {ANY: frozenset({ANY})},
}

# Whoever follows a one-time sign-in link owns the machine that printed it.
LINK_ROLE = "admin"


def allows(
    roles: Iterable[str],
    resource: str,
    method: str,
    *,
    table: Mapping[str, Mapping[str, frozenset[str]]] = ROLES,
) -> bool:
    """Return whether one of the roles allows the method on the resource."""
    for role in roles:
        grants = table.get(role, {})
        methods = grants.get(resource, frozenset()) | grants.get(ANY, frozenset())
        if methods & {ANY, method}:
            return True
    return False
