"""Prediction of the next cell for service migration: recurrent predictors fitted to the training users, and judged.

They are compared with the Markov chain that they correct, on users that neither has seen.
"""
