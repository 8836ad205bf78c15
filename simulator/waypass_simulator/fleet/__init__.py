"""Many readers in one process, over real connections."""
