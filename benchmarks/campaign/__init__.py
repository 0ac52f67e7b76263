"""Tables made in several sessions: lists of commands, and archives that merge the results of several machines."""
