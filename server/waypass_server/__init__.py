"""Issues passes, keeps lists, approves, publishes. Never imports the reader."""
