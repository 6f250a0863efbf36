"""From anybody's model to what every recurrent layer in it did: inputs, states, Jacobians, gradients."""
