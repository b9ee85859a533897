"""Bounds, one module a family: what no online policy can beat."""
