"""Batching of inference requests on one accelerator: which queue to serve, how large a batch, which variant, or wait."""
