"""Figures of the paper and talk, drawn from data files."""
