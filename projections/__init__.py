"""What is read: views built from the facts."""
