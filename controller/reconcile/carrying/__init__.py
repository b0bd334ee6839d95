"""Carrying out: from a plan, a typed command or a decision to runs with their jobs, and what becomes of records afterwards."""
