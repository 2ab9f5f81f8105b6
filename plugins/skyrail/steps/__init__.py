"""`@task.step`: a function that is recorded as it runs, and whose results are kept."""
