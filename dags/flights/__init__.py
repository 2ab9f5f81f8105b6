"""Flights from New York in 2013: what the example DAGs share."""
