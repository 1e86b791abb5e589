"""What a model needs, what the cards have, and which card gets what. Needs no GPU."""
