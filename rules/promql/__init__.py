"""PromQL as Prometheus 3 means it: parsing, and columnar evaluation of a whole range of instants at once."""
