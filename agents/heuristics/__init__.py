"""Heuristics, one module a family: a score over named columns, or a replay of the whole episode."""
