"""What is measured of a trained network, as pure functions of features and labels.

Features are the rows of an array (n x d), of unit length or not; labels are integers `0..C-1`, and every class occurs.
"""
