"""Putting models into service, decided by statistics that can be trusted."""
