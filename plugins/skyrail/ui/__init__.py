"""Skyrail's pages inside Airflow's UI: rendered on the server, themed by the browser."""
