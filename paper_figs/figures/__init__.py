"""One figure a file.

`parts()` names the parts of its data, `compute(part)` makes one of them as JSON types, and `draw(parts)` makes the
picture of all of them. A figure whose data another command measures has `read(folder)` instead of the first two.
"""
