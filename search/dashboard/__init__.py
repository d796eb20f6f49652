"""The dashboard: the study pages of a folder, served on loopback to people who watch; it reads, and changes nothing."""
