"""Latency models from tables: forms, the solver, folds, choice by held-out error, intervals, devices from anchors."""
