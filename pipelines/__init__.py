"""The jobs: options -> build(pipeline, options) -> run; and the command line."""
