"""What stands between platforms and models: inbox, pipeline, memory, moderation, knowledge."""
