"""What keeps an installation running: checks of life, secrets, schema, and short jobs in a cluster. None loads Airflow."""
