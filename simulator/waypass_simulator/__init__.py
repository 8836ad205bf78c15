"""People who walk up, camera frames, and the demonstration. Imports the protocol only."""
