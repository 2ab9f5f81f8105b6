"""What keeps an installation running: the check of a part's life, its secrets, and the MLflow server's start."""
