"""Between words and tokens: the tokenizer, the chat template, tools and grammars."""
