"""Ansible inventories, read by Ansible's rules and never evaluated.

`inventory.read` is the door: the loader and `ctl import ansible` come in here. Nothing of Ansible is imported,
no file is executed, `{{ }}` stays text and vaulted values stay closed.
"""
