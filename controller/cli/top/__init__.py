"""`ctl top`: servers, targets and jobs, live, with a command line over many jobs at once."""
