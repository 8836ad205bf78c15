"""The gate: camera, code, decision, turnstile. Never imports the server."""
