"""Locked environments: a step's own packages, resolved once, kept beside the DAG, built once a machine."""
