"""One YAML file an experiment; read them with :mod:`edgegym.agents.config`."""
