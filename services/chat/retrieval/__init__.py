"""Finding the FAQ item that answers a question, without a model provider and without a network."""
