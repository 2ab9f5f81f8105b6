"""An auth manager with a role that Skyrail's own table does not have: who may see a DAG, and not its code."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

from skyrail.auth.manager import SkyrailAuthManager
from skyrail.auth.user import SkyrailUser


class CodeRights(SkyrailAuthManager):
    """Refuse the code of a DAG to whoever has its role; everything else is as it is."""

    def is_authorized_dag(self, *, user: SkyrailUser, **asked: Any) -> bool:
        """Return whether the user may do this with a DAG and what belongs to it."""
        if asked.get("access_entity") is DagAccessEntity.CODE and no_code(asked["details"].id) in user.roles:
            return False
        return super().is_authorized_dag(user=user, **asked)


def no_code(dag_id: str) -> str:
    """Return the role of those who may not read this DAG's code."""
    return f"no_code_of_{dag_id}"
