"""From records to elements."""
