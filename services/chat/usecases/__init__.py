"""What chat can do, one function each: sessions hold conversations, messages are said in them."""
