"""The gradient as a product of Jacobians, and the singular values of that product."""
