"""How the world asks: routes, request and response models, problems, pages."""
