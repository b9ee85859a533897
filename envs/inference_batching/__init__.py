"""Batching of inference requests on one accelerator: which queue, how large a batch, which variant; or wait."""
