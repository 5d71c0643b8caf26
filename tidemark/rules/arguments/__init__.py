"""The command lines of ``tidemark rules`` and ``tidemark promql``, apart from what does their work: ``--help`` imports none of that."""
