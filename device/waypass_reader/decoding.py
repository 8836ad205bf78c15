"""From one frame to the texts of the QR codes in it: the door to `waypass_reader.seeing.stages`.

What looks at many frames of one lane uses `waypass_reader.seeing.eye` instead.
"""

from waypass_reader.seeing.stages import TEXT_LIMIT, Sighting, Stage, decode_frame

__all__ = ["TEXT_LIMIT", "Sighting", "Stage", "decode_frame"]
