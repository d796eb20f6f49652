"""What the tools of others take: a study in their formats."""
