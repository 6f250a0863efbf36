"""Models of sequences: what they predict, how they are sampled, and the simple ones they are compared with."""
