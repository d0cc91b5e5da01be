"""How what students hand in comes in: from where, as what, and as which notebook it is judged."""
