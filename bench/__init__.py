"""Measurements. Each prints its own rows; ratios come from runs that alternate on the same machine."""
