"""Studies as dataframes."""
