"""The study page: all that is shown of one or several studies, as one file that works offline or as a live page."""
