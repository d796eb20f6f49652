"""The progress of a study that runs: as lines that move, as lines of a log, as events, or watched from elsewhere."""
