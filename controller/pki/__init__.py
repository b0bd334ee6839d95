"""The certificate authority: who may speak on the agents' wire, and as what.

`ctl pki` and enrolment issue through `authority`; listeners and dialers take their TLS contexts from `contexts` and ask `peer` whom
they met. `cryptography` enters here. The agent zone never imports this room: it reads the files that this room writes.
"""
