"""Static figures, for slides and papers: the only part of the lab that imports matplotlib."""
