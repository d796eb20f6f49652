"""The stages around the sweep of a whole study: each a function of the run and the stage's record."""
