"""`ctl`: one file per noun; commands compute, `views` speak; heavy imports only when used."""
