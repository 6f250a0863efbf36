"""What sigmoid, tanh and relu units remember of their initial state."""
