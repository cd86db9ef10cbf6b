"""What `verify.embeddings` costs, and the table of values that a training loss can have."""
