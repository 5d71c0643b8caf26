"""Unit tests of rules, as promtool knows them."""
