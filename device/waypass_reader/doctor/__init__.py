"""What `waypass-reader doctor` looks at."""
