"""The FAQ: categories and items in an order that staff decide."""
