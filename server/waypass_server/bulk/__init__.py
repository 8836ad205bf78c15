"""Many entries or facts at once: files in and out, and batches that people decide on as a whole.

`formats` reads and writes files, `lines` is what a row may say, `runs` imports, `waiting` keeps a file between a look
at it and its import, `batches` decides, `preview` shows what a decision would do, `carrying` carries it out, `exports`
writes what there is.
"""
