"""What augmentation graphs show: the threshold theorem on random graphs, more negatives on block families, where they
hurt, help or do nothing, restricted encoders and several tasks. `findings.md` tells the results.
"""
