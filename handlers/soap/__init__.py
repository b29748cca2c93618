"""How the extractive draft is made: reading, sentences, model, selection."""
