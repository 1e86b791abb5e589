"""Knowledge: documents and FAQ files, and the index that finds passages in them."""
