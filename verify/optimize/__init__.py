"""Minimization of the population NCE loss over class embeddings on the sphere."""
