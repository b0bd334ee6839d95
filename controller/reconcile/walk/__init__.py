"""The walk that a plan takes, step by step: what is declared, what each repo stands at, what servers say, and what follows from it."""
