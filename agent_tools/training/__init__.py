"""Training: pairs of sentences and spans, recipes of the papers, and folders that `--models` loads.

Plain PyTorch over the vectors that an ingest stored: nothing is decoded here, and nothing leaves the machine."""
