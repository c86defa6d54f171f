"""The web pages for miners and operators."""
