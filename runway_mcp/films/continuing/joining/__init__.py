"""What comes after the create of a continuation: all parts become one film, under its name, and stay so."""
