"""The origin certificate, its key and the CA of authenticated origin pulls."""
