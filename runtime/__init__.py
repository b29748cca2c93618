"""What runs: settings, wiring, embedded servers, programs, command line."""

from typing import Final

VERSION: Final = "0.1.0"
"""Of the program; pyproject.toml says the same."""
