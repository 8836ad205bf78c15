"""A reader's own pages: the screen of each lane that faces the holder, and what staff may ask of a lane.

They stand on `waypass_reader.web`, follow the board, and know lanes by their names. Nothing here is between a frame
and a turnstile.
"""
