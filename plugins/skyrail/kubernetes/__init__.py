"""Manifests for Kubernetes, from plain values. Nothing here imports Airflow or a client of Kubernetes."""
