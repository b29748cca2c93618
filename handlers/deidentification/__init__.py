"""The layers of de-identification: patterns, models, names, guards, placeholders.

`handlers/deidentify.py` is the entry point.
"""
