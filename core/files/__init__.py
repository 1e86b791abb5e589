"""Files of customers: hostile until read, so they are read in a process that can do no harm."""
