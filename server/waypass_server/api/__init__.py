"""The HTTP API, one router a subject; `waypass_server.app` puts them together."""
