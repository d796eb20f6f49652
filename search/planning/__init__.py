"""From settings to the rows of the record, and to the data."""
