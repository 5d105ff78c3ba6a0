"""The origin certificate, its key and the authority of the origin pulls."""
