"""What runs: settings, wiring, embedded servers, programs, command line."""

from typing import Final

VERSION: Final = "0.2.0"
"""Of the program; pyproject.toml and the newest release in CHANGELOG.md name the same."""
