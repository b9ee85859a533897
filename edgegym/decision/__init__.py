"""Candidate decisions: the protocol of a system and the Gymnasium shells over it."""
