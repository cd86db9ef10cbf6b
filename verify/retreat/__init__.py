"""The retreat of a rare class, and the temperature below which it begins: proofs over all numbers of negatives."""
