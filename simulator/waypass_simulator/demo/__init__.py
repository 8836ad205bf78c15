"""The demonstration: a small metro on this machine, with real programs, and a story that tells whether it works."""
