"""The command `densities`: from its options to fits, and how they run after the auto-encoders are trained."""
