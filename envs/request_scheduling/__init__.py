"""Request scheduling: which server answers a request, with which variant of the model, or none."""
