"""Frozen nouns that two or more rooms share; standard library only, no I/O, no clock.

Everybody may import this room; it imports nothing but `errors`. Records hold resolved values: names of
secrets but never their values. `docs/vocabulary.md` gives each word its one meaning.
"""
