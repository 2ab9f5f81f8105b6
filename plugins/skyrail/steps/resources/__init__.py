"""From what a step says it needs to the place where it runs: needs, resource classes, matching, placement."""
