"""Short programs that run in the cluster beside the platform. They start at once: nothing here imports Airflow."""
