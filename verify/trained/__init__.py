"""Trained embeddings beside the certified optimum: the organs of `verify.embeddings`."""
