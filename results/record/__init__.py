"""The record of a study: the directory, the database, and the frozen records in it."""
