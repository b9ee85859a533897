"""Measured facts: the card schema, its loader and the library of cards that ships with EdgeGym."""
