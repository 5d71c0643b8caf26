"""Records, series identity, wire codecs, topic and measurement definitions. No Beam, no I/O, no clock."""
