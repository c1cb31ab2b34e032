"""Training in a drawn world: what each stage and each kind of data adds, on films that the product ingested."""
