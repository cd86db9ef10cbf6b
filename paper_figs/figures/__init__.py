"""One figure a file.

`parts()` names the parts of its data, `compute(part)` makes one of them as JSON types, and `draw(parts)` makes the
picture of all of them. A figure whose data is kept in another way, or measured by another command, has
`load(folder, *, recompute, progress) -> Data` instead of the first two.
"""
