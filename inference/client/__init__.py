"""What the core uses to ask a model: any number of model servers as one client."""
