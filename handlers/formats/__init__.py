"""How each format is read. Only the confined child imports these modules (`handlers/sandbox.py`)."""
