"""The downstream problem: the best unit-norm linear classifier on given embeddings, and proofs about its loss."""
