"""The composition root: builds controllers from their rooms, starts them in order, and closes everything in reverse.

Called by the faces: `local` for one command, `serving` for the controller that stays. The only room that names concrete
adapters; those that are heavy are loaded when a declaration first needs them.
"""
