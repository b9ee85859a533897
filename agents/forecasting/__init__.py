"""Popularity prediction for content caching: forecasters fitted to the training part of an experiment, and judged.

Three estimators of the requests that a content gets in the next window, each a Poisson regression on what the node
knows of it: on one exponentially weighted count (EWMA), linear in the environment's columns, and a small neural network
on the same columns. V. Fedchenko, G. Neglia, B. Ribeiro, "Feedforward neural networks for caching: enough or too
much?", ACM SIGMETRICS Performance Evaluation Review 46(3), 2018, found the last two to be about equally good.
"""
