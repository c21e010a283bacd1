"""Visual question answering: an image and a question -> one of the answers."""
