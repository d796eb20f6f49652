"""What networks read: split, encoded and scaled."""
