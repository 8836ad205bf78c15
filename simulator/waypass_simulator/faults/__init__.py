"""What goes wrong, made on purpose, and how to tell whether it did harm."""
