"""What can happen to notes, sessions and people, and who may ask for it: pure functions on values."""
