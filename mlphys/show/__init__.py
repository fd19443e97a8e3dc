"""What the commands print: one file for what one or a few of them say."""
