"""Adding two binary numbers: an MLP for N bits against a recurrent network trained on one column."""
