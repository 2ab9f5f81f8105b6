"""What makes a run's version, how it travels to MLflow, and what MLflow is told about models."""
