"""Telegram: customers' private chats, groups, topics and business accounts."""
