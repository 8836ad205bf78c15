"""How the reader sees: from frames to the texts of QR codes, and hints where a code is seen but not read."""
