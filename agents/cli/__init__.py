"""The command line ``edgegym``: one module a command, gathered in :mod:`edgegym.agents.cli.main`."""
