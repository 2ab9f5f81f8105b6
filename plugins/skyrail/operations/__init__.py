"""What keeps an installation running: checks of life, secrets, schema, jobs in a cluster. None loads Airflow."""
