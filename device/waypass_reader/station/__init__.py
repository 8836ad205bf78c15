"""The station box: what a station's readers say of themselves, on a page for its staff, and the way to open a lane.

It needs the station's own broker and the readers beside it, and nothing of the centre.
"""
