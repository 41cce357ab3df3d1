"""Community: the forum, the FAQ and the affiliate programme, three packages in one service."""
