"""The one error that Carousel raises for a user's mistake."""


class CarouselError(ValueError):
    """Bad input: the message states the rule, what came instead, and what to do.

    The command line prints the message alone and exits with status 2.
    """
