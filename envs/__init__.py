"""The environment families, a folder each: ``params`` (settings), ``kernel`` (numba), ``env`` (documentation)."""

if __name__ == "envs":
    raise ImportError("import this folder as edgegym.envs: a second copy of its modules would not be registered")
