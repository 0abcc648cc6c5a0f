"""What comes before the create of a continuation: the last frame as a picture, and its upload."""
