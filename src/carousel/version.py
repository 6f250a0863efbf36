"""The version of the installed distribution, looked up when it is asked for."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("carousel-rnn")
except PackageNotFoundError:  # read from a source tree that is not installed, as the build does
    __version__ = "0+source"
