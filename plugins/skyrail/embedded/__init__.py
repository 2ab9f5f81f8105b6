"""The embedded platform: Airflow, MLflow and PostgreSQL on one machine, started and watched by `skyrail up`."""
