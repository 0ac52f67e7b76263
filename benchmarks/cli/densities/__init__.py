"""The command `densities`: several densities on the latents of the same auto-encoders."""
