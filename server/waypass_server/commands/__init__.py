"""One module a command; each is registered in `waypass_server.application`."""
