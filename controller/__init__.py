"""Ampyard: the site controller."""
