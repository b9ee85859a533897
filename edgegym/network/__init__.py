"""The network under every family: a networkx graph with cards, compiled once to arrays."""
