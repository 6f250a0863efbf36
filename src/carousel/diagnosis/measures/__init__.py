"""One measure a file, named as the measure is: trajectories in, numbers in dataclasses out."""
