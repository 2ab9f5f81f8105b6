"""A step's function in another interpreter: what it needs of its file, its arguments and result, as files."""
