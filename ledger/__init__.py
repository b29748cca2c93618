"""How truth is kept: event store, sealing, keys."""
