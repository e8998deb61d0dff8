"""Bytes of anybody's, fed to whatever decodes them."""
