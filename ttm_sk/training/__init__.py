"""One optimisation loop, and the functions that run it; each returns a new checkpoint."""
