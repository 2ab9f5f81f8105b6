"""Who a signed-in person or machine is: what the session token says, and nothing that has to be looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


@dataclass(frozen=True)
class SkyrailUser(BaseUser):
    """A principal with its roles; `roles.allows` says what they permit."""

    id: str
    name: str
    roles: tuple[str, ...] = ()

    def get_id(self) -> str:
        """Return the stable id that audit records and assignments use."""
        return self.id

    def get_name(self) -> str:
        """Return the name to show."""
        return self.name

    def claims(self) -> dict[str, Any]:
        """Return the claims that a session token carries for this user."""
        return {"sub": self.id, "name": self.name, "roles": list(self.roles)}

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> SkyrailUser:
        """Read the user from the claims of a verified token; without roles it may do nothing.

        Raises:
            KeyError: the token names nobody.
            ValueError: the roles are not a list of words.
        """
        roles = claims.get("roles", [])
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise ValueError("the claim `roles` is not a list of words")
        return cls(id=claims["sub"], name=str(claims.get("name") or claims["sub"]), roles=tuple(roles))
