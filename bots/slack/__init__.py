"""Slack: XiaoQ for the staff, in direct messages, channels, the assistant's pane and the home."""
