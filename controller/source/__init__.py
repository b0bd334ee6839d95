"""Git: mirrors, heads, verification, refusal of rewound history, trees of commits and of a work tree.

`reconcile` and the faces call it; it calls git through GitPython in one place, `git`, and returns records.
"""
