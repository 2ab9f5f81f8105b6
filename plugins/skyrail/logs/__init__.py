"""Where the logs of tasks are kept."""
