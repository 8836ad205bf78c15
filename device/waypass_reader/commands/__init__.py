"""One module a command; each is registered in `waypass_reader.cli`."""
