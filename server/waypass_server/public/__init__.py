"""Pages for everybody, without a sign-in: the network's figures, and the register of who may do what.

`figures` and `register` read them, `words` says them in English and Chinese, `pages` serves them under `/public`.
"""
