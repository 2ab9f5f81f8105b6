"""The `skyrail` command line."""
