"""Models judged on labelled rows."""
