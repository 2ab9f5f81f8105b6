"""Install the chart on a cluster, and remove it: `skyrail install` and `skyrail uninstall`.

It speaks to the cluster by `kubectl` and `helm` as programs, with whatever sign-in these have. What is decided comes
from pure functions of what they answered; nothing is changed before all checks have passed.
"""
