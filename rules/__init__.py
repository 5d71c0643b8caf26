"""What alert rules mean. No Beam here."""
