"""Figures of the paper and talk, and of what this project found, drawn from data files.

- `registry`  every figure: its name, what it shows, how long its data takes
- `data`      where data is read, and how it is computed and kept when it is missing
- `style`     sizes, the style sheet `paper.mplstyle`, files that are the same at every run
- `space`     vectors and spheres in space
- `cifar`, `simplex_data`  data that is kept in another way
- `figures`   one figure a file: `parts` and `compute` make its data, `draw` its picture

`python -m paper_figs` draws them all.
"""
