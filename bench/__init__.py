"""Speed beside the peers, measured in one run: `python -m bench kernels` from the root of the repository."""
