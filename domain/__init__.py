"""What can happen to a note and what may be asked."""
