"""Inference offloading: by which execution plan devices, edge servers and the cloud answer DNN inference tasks."""
