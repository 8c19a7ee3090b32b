"""Scripts that measure: ours, the peers, floors and ceilings, in one run each."""
