"""One harness judges all: episodes, statistics, tables, figures and the report."""
