"""What a bundle must be to be shipped: one criterion a file, each says in words why it passes or not."""
