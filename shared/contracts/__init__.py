"""The published language: one file per publishing service, and what several of them may publish."""
