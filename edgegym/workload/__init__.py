"""Workloads: request traces, their readers, writers and generators, and the theory they are checked with."""
