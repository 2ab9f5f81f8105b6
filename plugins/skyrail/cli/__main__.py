"""`python -m skyrail.cli`, the same as `skyrail`."""

from skyrail.cli.main import main

main()
