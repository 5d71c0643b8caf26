"""Parts of rules that shards evaluate, and what they give."""
