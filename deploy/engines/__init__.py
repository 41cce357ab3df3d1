"""The heavy engines' packages: fetched behind a running platform, or in the foreground for images and tests."""
