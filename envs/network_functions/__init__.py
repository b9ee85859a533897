"""Online placement of service function chains: where the functions of arriving flows run, and over which paths."""
