"""Results of steps: kept by their content, handed on by reference."""
