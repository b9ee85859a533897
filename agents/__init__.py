"""Whatever acts: heuristics, bounds, trained policies, and the commands that train and judge them."""

if __name__ == "agents":
    raise ImportError("import this folder as edgegym.agents: a second copy of its modules would not be registered")
