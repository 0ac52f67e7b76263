"""Tables made in pieces: a list of commands that runs for a given time, and archives that merge what machines made."""
