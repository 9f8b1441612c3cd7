"""Tests against a live server, and of what needs none."""
