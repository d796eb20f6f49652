"""Places of a study's files outside its directory."""
