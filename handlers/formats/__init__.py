"""How each format is read. Only the confined child imports these rooms (`handlers/sandbox.py`)."""
