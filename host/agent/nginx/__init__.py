"""The site in nginx."""
