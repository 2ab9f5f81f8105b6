"""Skyrail's auth manager: sessions are signed tokens, there is no user table, nobody is allowed until a role allows.

What a role allows is in `roles`, how somebody signs in is in `routes`, and `middleware` refuses what has no session.
"""

# ruff: noqa: ARG002 (Airflow passes the single object too; no rule tells one from another yet)

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager

from skyrail.auth.roles import allows
from skyrail.auth.user import SkyrailUser

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.resource_details import (
        AccessView,
        AssetAliasDetails,
        AssetDetails,
        ConfigurationDetails,
        ConnectionDetails,
        DagAccessEntity,
        DagDetails,
        PoolDetails,
        TeamDetails,
        VariableDetails,
    )
    from airflow.api_fastapi.common.types import MenuItem
    from fastapi import FastAPI


class SkyrailAuthManager(BaseAuthManager[SkyrailUser]):
    """Sign in with a one-time link; every decision is `roles.allows(user.roles, resource, method)`.

    The base class revokes a token at sign-out in the table `revoked_token`, the only state that sessions have.
    """

    def deserialize_user(self, token: dict[str, Any]) -> SkyrailUser:
        """Read the user from a verified token's claims."""
        return SkyrailUser.from_claims(token)

    def serialize_user(self, user: SkyrailUser) -> dict[str, Any]:
        """Return the claims for a user's token."""
        return user.claims()

    async def get_user_from_token(self, token: str) -> SkyrailUser:
        """Verify a token and return its user; once per request, however many layers ask."""
        # Airflow's base class looks into the database for revoked tokens. The middleware has asked already.
        from skyrail.auth.middleware import verified_user

        user = verified_user(token)
        return user if user is not None else await super().get_user_from_token(token)  # type: ignore[return-value]

    def get_url_login(self, **kwargs: Any) -> str:
        """Return the address of the page that says how to sign in."""
        from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX

        url = f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/login"
        next_url = kwargs.get("next_url")
        return f"{url}?{urlencode({'next': next_url})}" if next_url else url

    def get_fastapi_app(self) -> FastAPI:
        """Return the sign-in pages, which Airflow mounts at `/auth`."""
        from skyrail.auth.routes import build_app

        return build_app()

    def get_fastapi_middlewares(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return the middleware that refuses every request without a session."""
        from skyrail.auth.middleware import RequireSession

        return [(RequireSession, {})]

    def is_authorized_configuration(
        self, *, method: ResourceMethod, user: SkyrailUser, details: ConfigurationDetails | None = None
    ) -> bool:
        """Return whether the user may do this with the configuration."""
        return allows(user.roles, "configuration", method)

    def is_authorized_connection(
        self, *, method: ResourceMethod, user: SkyrailUser, details: ConnectionDetails | None = None
    ) -> bool:
        """Return whether the user may do this with connections."""
        return allows(user.roles, "connection", method)

    def is_authorized_dag(
        self,
        *,
        method: ResourceMethod,
        user: SkyrailUser,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Return whether the user may do this with DAGs and what belongs to them."""
        return allows(user.roles, "dag", method)

    def is_authorized_asset(
        self, *, method: ResourceMethod, user: SkyrailUser, details: AssetDetails | None = None
    ) -> bool:
        """Return whether the user may do this with assets."""
        return allows(user.roles, "asset", method)

    def is_authorized_asset_alias(
        self, *, method: ResourceMethod, user: SkyrailUser, details: AssetAliasDetails | None = None
    ) -> bool:
        """Return whether the user may do this with asset aliases."""
        return allows(user.roles, "asset_alias", method)

    def is_authorized_pool(
        self, *, method: ResourceMethod, user: SkyrailUser, details: PoolDetails | None = None
    ) -> bool:
        """Return whether the user may do this with pools."""
        return allows(user.roles, "pool", method)

    def is_authorized_team(
        self, *, method: ResourceMethod, user: SkyrailUser, details: TeamDetails | None = None
    ) -> bool:
        """Return whether the user may do this with teams."""
        return allows(user.roles, "team", method)

    def is_authorized_variable(
        self, *, method: ResourceMethod, user: SkyrailUser, details: VariableDetails | None = None
    ) -> bool:
        """Return whether the user may do this with variables."""
        return allows(user.roles, "variable", method)

    def is_authorized_view(self, *, access_view: AccessView, user: SkyrailUser) -> bool:
        """Return whether the user may see a read-only view."""
        return allows(user.roles, "view", "GET")

    def is_authorized_custom_view(self, *, method: ResourceMethod, resource_name: str, user: SkyrailUser) -> bool:
        """Return whether the user may do this with a view of a plugin."""
        return allows(user.roles, "custom_view", method)

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: SkyrailUser) -> bool:
        """Return whether the user may answer for a task that is assigned to somebody."""
        return user.get_id() in assigned_users or allows(user.roles, "hitl_task", "PUT")

    def filter_authorized_menu_items(self, menu_items: list[MenuItem], *, user: SkyrailUser) -> list[MenuItem]:
        """Return the menu items that the user may open."""
        return [item for item in menu_items if allows(user.roles, "menu_item", "GET")]
