"""2D scanners, which read a code by themselves and send its text: over a serial line, or typed as a keyboard."""
