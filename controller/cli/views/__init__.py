"""How records are shown to people and programs; every function here is pure and returns text."""
