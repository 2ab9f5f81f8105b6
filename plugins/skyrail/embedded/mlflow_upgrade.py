"""Bring MLflow's database up to the installed version: `python -m skyrail.embedded.mlflow_upgrade`.

MLflow's own `mlflow db upgrade` takes the address with the password as an argument, for everybody to see.
"""

from __future__ import annotations

import os


def main() -> None:
    """Upgrade the database that the server's environment names."""
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    _upgrade_db(create_sqlalchemy_engine(os.environ["_MLFLOW_SERVER_FILE_STORE"]))


if __name__ == "__main__":
    main()
