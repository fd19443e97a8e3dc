"""Data between dataset and network: splits, class selection, preprocessing, inspection."""
