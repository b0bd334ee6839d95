"""Files of SOPS (https://getsops.io), YAML and JSON, closed for age keys: their values, their notation, opening and closing them.

`leaf` is one value, `notation` reads and writes whole documents, `opening` and `closing` do what the names say. Pure but for
random numbers; called by `sources` and the face of `ctl secret`.
"""
