"""Statistics of decisions about models: numpy and scipy, nothing else."""
