"""The console's pages, one router a subject; `waypass_server.console.app` puts them together."""
