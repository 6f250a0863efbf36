"""Gates at work: what each gate does, and what is lost without it."""
