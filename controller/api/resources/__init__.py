"""What the routes answer, one module for each kind of thing; the table names the functions."""
