"""Word vectors beside gensim and fastText: speed in turns, memory in processes of their own, quality over seeds."""
