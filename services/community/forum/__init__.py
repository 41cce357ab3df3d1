"""The forum: topics, comments, votes, views and search."""
