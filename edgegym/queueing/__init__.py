"""Queueing theory in closed form: what simulations must agree with."""
