"""`python -m carousel`: the command line, where its script is not on the path."""

from carousel.cli import main

main()
