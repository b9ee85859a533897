"""Measurements to cards: the fits, their held-out errors, and the recipes of the cards that ship with EdgeGym."""
